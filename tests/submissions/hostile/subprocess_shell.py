import subprocess
def hello(name):
    return subprocess.run("echo Hello; sleep 600 &", shell=True, capture_output=True).stdout
