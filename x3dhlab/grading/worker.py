"""The untrusted process: reads an answer, calls its functions, and returns what they gave.

A stand-alone script. It knows inputs, never references, expected values or verdicts. It reads one
JSON request from standard input and writes one JSON object a line: "ready" after it has confined
itself, then one line for each thing that happened.
"""

import base64
import builtins
import json
import os
import re
import signal
import sys


class _TooSlow(BaseException):
    """A call took longer than its limit."""


def main() -> None:
    """Confine this process, say "ready", then answer the request."""
    request = json.loads(sys.stdin.buffer.read())
    sys.path[:0] = request["paths"]
    say = _speaker()
    import confine
    import plain
    import reader
    import sequence

    for module in request["modules"]:
        __import__(module)
    os.chdir(request["folder"])
    os.environ["PATH"] = ""  # else `ctypes.util.find_library` looks for a compiler to run
    confine.limits(request["cpu_seconds"])
    if request["means"] == "landlock":
        confine.landlock(request["readable"])
    if request["means"] != "none":
        confine.seccomp()
    say({"ready": request["means"]})
    try:
        source = reader.read(_cells(request, reader))
    except reader.UnreadableError as problem:
        say({"unreadable": str(problem)})
        return
    for task in request["tasks"]:
        _Answer(task, source, request["seconds"], say, reader, plain, sequence).run()
    say({"finished": True})


def _speaker():
    """Keep the pipe for ourselves; what learner code prints goes nowhere."""
    channel = os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    return lambda fact: channel.write(json.dumps(fact).encode() + b"\n")


def _cells(request, reader):
    if "cells" in request:
        return [reader.Cell(place, text) for place, text in request["cells"]]
    return reader.cells_of(base64.b64decode(request["data"]), request["name"])


class _Answer:
    """One task: the learner's function, built in its own namespace and called on every case."""

    def __init__(self, task, source, seconds, say, reader, plain, sequence):
        self.task, self.source, self.seconds = task, source, seconds
        self.reader, self.plain, self.sequence = reader, plain, sequence
        self.say = lambda **fact: say({"task": task["id"], **fact})
        self.failures = {}
        self.files = {}

    def run(self):
        name = self.task["function"]
        if not self.reader.defines(self.source, name):
            return self.say(state="undefined")
        statements, broken = self.reader.gather(self.source, name)
        if broken is not None:
            return self.say(
                state="broken", place=broken.place, line=broken.line, message=broken.message[:200]
            )
        names = " ".join(sorted({bound for item in statements for bound in item.binds}))
        self.say(state="defined", text=_text(statements, name), names=names)
        try:
            function = self._limited(lambda: self._build(statements).get(name))
        except BaseException as problem:
            return self.say(state="unbuilt", raised=self._error(problem))
        if not callable(function):
            return self.say(state="unbuilt", raised=self._missing(name, function))
        for number, case in enumerate(self.task["cases"]):
            outcome = self._call(function, case)
            self.say(case=number, **outcome)
            if outcome.get("raised", {}).get("type") == "_TooSlow":
                break
        return None

    def _build(self, statements):
        """Run the needed statements in order; one that fails is tried again after the others."""
        space = {"__name__": "__main__", "__builtins__": builtins}
        waiting = statements
        while waiting:
            failed = [item for item in waiting if not self._execute(item, space)]
            if len(failed) == len(waiting):
                break
            waiting = failed
        return space

    def _execute(self, item, space):
        file = f"<answer {item.order}>"
        self.files[file] = item
        try:
            exec(compile(item.text, file, "exec", dont_inherit=True), space)
        except _TooSlow:
            raise
        except BaseException as problem:
            self.failures.update(dict.fromkeys(item.binds, self._error(problem)))
            return False
        for name in item.binds:
            self.failures.pop(name, None)
        return True

    def _call(self, function, case):
        if type(case) is dict:
            return self._play(function, case)
        arguments = [self.plain.decode(item) for item in case]
        try:
            value = self._limited(lambda: function(*arguments))
            outcome = {"returned": self.plain.encode_or_name(value)}
        except BaseException as problem:
            outcome = {"raised": self._error(problem)}
        outcome["after"] = [self.plain.encode_or_name(item) for item in arguments]
        return outcome

    def _play(self, function, case):
        """A sequence of calls: what each gave, and the error that ended it, if one did."""
        decode, encode = self.plain.decode, self.plain.encode_or_name
        steps = [(again, [decode(item) for item in items]) for again, items in case["steps"]]
        found, kept = [], []

        def play():
            state = decode(case["state"])
            for kind, value in self.sequence.play(function, state, steps, _is_refusal, kept):
                found.append({"list": [{"str": kind}, encode(value)]})

        outcome = {}
        try:
            self._limited(play)
        except BaseException as problem:
            outcome["raised"] = self._error(problem)
        after = [encode(item) for _, arguments in steps for item in arguments]
        return {**outcome, "returned": {"list": found}, "after": after, "kept": encode(kept)}

    def _limited(self, action):
        if not hasattr(signal, "setitimer"):
            return action()
        signal.signal(signal.SIGALRM, _ring)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)
        try:
            return action()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _missing(self, name, value):
        if name in self.failures:
            return self.failures[name]
        return {"type": "NotAFunction", "text": f"{name} is a {type(value).__name__}"}

    def _error(self, problem):
        """The type, text and place of an exception, and why a name that it misses is missing."""
        kind = type(problem)
        fact = {"type": str(kind.__name__)[:60], "module": str(kind.__module__)[:60]}
        try:
            fact["text"] = str(problem)[:300]
        except BaseException:
            fact["text"] = ""
        fact.update(self._place(problem.__traceback__))
        if isinstance(problem, ImportError):
            fact["import"] = self._import_name(problem)
        if isinstance(problem, NameError) and problem.name in self.failures:
            fact["because"] = self.failures[problem.name]
        return fact

    def _import_name(self, problem):
        found = re.search(r"cannot import name '(\w+)' from '([\w.]+)'", str(problem))
        return f"{found[2]}.{found[1]}" if found else str(problem.name)[:100]

    def _place(self, trace):
        place = {}
        while trace is not None:
            item = self.files.get(trace.tb_frame.f_code.co_filename)
            if item is not None:
                line = item.line + trace.tb_lineno - 1
                place = {"place": item.place, "line": line, "function": item.function[:60]}
            trace = trace.tb_next
        return place


def _text(statements, name):
    found = (item.plain_text for item in reversed(statements) if name in item.binds)
    return next(found, "")[:8000]


def _is_refusal(problem):
    return type(problem).__module__ == "x3dhlab.errors"


def _ring(number, frame):
    raise _TooSlow("the call took too long")


if __name__ == "__main__":
    main()
