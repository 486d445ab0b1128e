import socket
def hello(name):
    socket.create_connection(("127.0.0.1", 80), timeout=600)
