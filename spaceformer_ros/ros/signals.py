# SPDX-License-Identifier: Apache-2.0
"""Signals that end a program, beside what ROS does with them."""

import os
import signal
import threading


def leave_interrupts_to_ros():
    """Make SIGINT shut ROS down, once that has been initialised, and end the process before; as SIGTERM does.

    Without a KeyboardInterrupt, which could come anywhere. Call it on the main thread before `rclpy.init`.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def end_on_hangup():
    """End as by SIGTERM when the terminal is closed or a connection over ssh breaks, so that the scene is saved.

    Nothing changes where the signal is ignored, as by nohup. Call it on the main thread.
    """
    if signal.getsignal(signal.SIGHUP) != signal.SIG_DFL:
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)  # handlers of Python run when a callback ends, and an idle node has none
    signal.signal(signal.SIGHUP, lambda *_: None)
    threading.Thread(target=_terminate_on_hangup, args=(reader,), name="hangup", daemon=True).start()


def _terminate_on_hangup(reader):
    while signal.SIGHUP not in os.read(reader, 1):  # other signals are written too
        pass
    os.kill(os.getpid(), signal.SIGTERM)
