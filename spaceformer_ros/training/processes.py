# SPDX-License-Identifier: Apache-2.0
"""A training run in several processes of one machine, whose weights are averaged every few steps.

This is local SGD (Stich, Local SGD Converges Fast and Communicates Little, ICLR 2019). On a CPU two processes with one
thread each do 1.6 times the work of one process with two threads: most tensors of a step are too small for two.
"""

import os
import signal

import torch
import torch.distributed as dist

from .. import SpaceformerError

AVERAGE_EVERY = 20  # steps
SECONDS = 5.0  # in which a process that has lost its connection ends


class Processes:
    """The processes of a run, seen from one of them. A single one needs no partner and does nothing here."""

    def __init__(self, count=1, rank=0, meeting_point=None):
        """count: number of processes; rank: of this one, from 0; meeting_point: path of a file that does not exist."""
        self.count, self.rank = count, rank
        if count > 1:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # this machine only
            method = f"file://{meeting_point.resolve()}"
            dist.init_process_group("gloo", init_method=method, rank=rank, world_size=count)

    def meet_after(self, step):
        """Whether the processes exchange weights after a step: always if there is one only."""
        return self.count == 1 or step % AVERAGE_EVERY == 0

    def any(self, flag):
        """Whether `flag` is true in any process; all have to ask."""
        if self.count == 1:
            return flag
        votes = torch.tensor([float(flag)])
        dist.all_reduce(votes)
        return bool(votes > 0)

    @torch.no_grad()
    def average(self, module):
        """Replace the parameters and floating-point buffers of a module on the CPU by their means."""
        if self.count > 1:
            tensors = [t for t in (*module.parameters(), *module.buffers()) if t.is_floating_point()]
            flat = torch.cat([t.detach().float().flatten() for t in tensors])
            dist.all_reduce(flat)
            for tensor, mean in zip(tensors, (flat / self.count).split([t.numel() for t in tensors])):
                tensor.copy_(mean.view_as(tensor))

    def leave(self):
        """End the exchange."""
        if self.count > 1 and dist.is_initialized():
            dist.destroy_process_group()


def run_in_processes(count, meeting_point, function, *arguments):
    """function(Processes, *arguments) in this process and count - 1 others; returns its result in this one.

    Raises SpaceformerError if another one ends early.
    """
    if count == 1:
        return function(Processes(), *arguments)
    meeting_point.unlink(missing_ok=True)  # of a run that was killed
    context = torch.multiprocessing.get_context("spawn")
    others, signs = [], []
    for rank in range(1, count):
        sign, give_sign = context.Pipe(duplex=False)
        arguments_of_other = give_sign, count, rank, meeting_point, function, arguments
        others.append(context.Process(target=_other, args=arguments_of_other, daemon=False))
        signs.append(sign)
        others[-1].start()
        give_sign.close()
    for sign in signs:  # to meet one that has ended would take half an hour
        try:
            sign.recv()
        except EOFError:
            try:
                _require_running(others)
            finally:
                for other in others:
                    other.kill()
    try:
        processes = Processes(count, 0, meeting_point)
        try:
            return function(processes, *arguments)
        finally:
            processes.leave()
    except RuntimeError as error:
        _require_running(others, error)
        raise
    finally:
        for other in others:
            other.join()


def _require_running(others, cause=None):
    """Raise SpaceformerError if one of some processes has ended with an error, or ends within SECONDS."""
    ended = [other for other in others if other.join(SECONDS) or other.exitcode]
    if ended:
        code, text = ended[0].exitcode, "failed: its error is above"
        if code < 0:
            text = f"was killed (signal {-code}), perhaps for want of memory: start again with processes: {len(others)}"
        raise SpaceformerError(f"a process of the run {text}") from cause


def _other(give_sign, count, rank, meeting_point, function, arguments):
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the first process says that the run was interrupted
    torch.set_num_threads(1)
    give_sign.send(True)
    processes = Processes(count, rank, meeting_point)
    try:
        function(processes, *arguments)
    finally:
        processes.leave()
