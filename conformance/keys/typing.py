#!/usr/bin/env python3
"""Types answers at a terminal.

  typing.py COMMAND... -- PROMPT ANSWER [PROMPT ANSWER]...

Runs COMMAND with a terminal of its own, as a shell would: if it is stopped it goes on.  Waits for
each PROMPT and types ANSWER; ^C and ^Z are these keys.  Prints what the terminal showed; ends as
the command did (128 and its number for a signal), or with 99 if it left the terminal without echo."""
import os
import pty
import signal
import sys
import termios
import time

KEYS = {"^C": b"\x03", "^Z": b"\x1a"}


def echoes(terminal):
    return termios.tcgetattr(terminal)[3] & termios.ECHO


def shell(command):
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execvp(command[0], command)
    while True:
        _, status = os.waitpid(child, os.WUNTRACED)
        if not echoes(0):
            return 99
        if not os.WIFSTOPPED(status):
            code = os.waitstatus_to_exitcode(status)
            return 128 - code if code < 0 else code
        os.kill(child, signal.SIGCONT)


def read_until(terminal, prompt):
    shown = b""
    while prompt not in shown:
        try:
            more = os.read(terminal, 4096)
        except OSError:
            more = b""
        if not more:
            break
        shown += more
    sys.stdout.write(shown.decode(errors="replace").replace("\r\n", "\n"))
    return prompt in shown


def main(args):
    at = args.index("--")
    command, answers = args[:at], args[at + 1:]
    child, terminal = pty.fork()
    if child == 0:
        os._exit(shell(command))
    for prompt, answer in zip(answers[::2], answers[1::2]):
        if not read_until(terminal, prompt.encode()):
            break
        while echoes(terminal):  # the prompt comes before the echo is off
            time.sleep(0.01)
        os.write(terminal, KEYS.get(answer, answer.encode() + b"\n"))
    read_until(terminal, b"\0 which never comes")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


sys.exit(main(sys.argv[1:]))
