# SPDX-License-Identifier: Apache-2.0
"""Arguments and parameter files that ROS ignores silently, such as those for other nodes, or refuses."""

import difflib
import itertools
import json
import os
import re
import sys
import textwrap

from rclpy.utilities import remove_ros_args

from .. import SpaceformerError, suggestion
from ..disk.text_files import read_yaml
from .compat import parameter_overrides
from .text import describe_error, printable

PARAMETERS = "ros__parameters"
OF_ROS = ("use_sim_time", "start_type_description_service")  # parameters of every node
MAX_NAMED = 5  # node names or arguments listed in a message
HINTS = {  # words of rcl's messages, and what to do
    "Sequence should be of same type": "write all values of a list alike, as in [0.0, 1.5] or ['chair', '5']",
    "__ns:=": "a namespace begins with a slash and has letters, digits and _ only, such as /robot_1",
    "__node:=": "the name of a node has letters, digits and _ only",
    "severity level": "expected debug, info, warn, error or fatal, or NAME:=debug",
    "No value at line": "write a value, such as '' or [], or remove the line",
    "ros__parameters at line": "a parameter file has NODE:, below it ros__parameters:, and below that NAME: VALUE",
    "a event near line": "expected a text file of yaml in UTF-8, without tabs",
    "opening YAML file": "there is no such file, or this user cannot read it",
    "support aliasing": "write the value again instead of a reference with *",
    "override rule: '-": "expected -p NAME:=VALUE",
}


def refusal(error):
    """A sentence for an exception of rclpy about arguments, parameter files, names and types."""
    hint = next((f": {hint}" for words, hint in HINTS.items() if words in str(error)), "")
    return describe_error(error).replace("\\n", " ") + hint  # the last words point to a character by its column


def answer_help(program, parameters, arguments):
    """End the process with a list of its parameters if the command line asks for help, as programs without ROS do.

    program: its name; parameters: rows (name, default, meaning); arguments: of the command line
    """
    own = itertools.takewhile(lambda argument: argument != "--ros-args", arguments)  # others may be refused later
    if not {"-h", "--help"} & set(own):
        return
    lines = [f"usage: {program} [--ros-args -p NAME:=VALUE ... --params-file FILE -r FROM:=TO]\n\nparameters:"]
    for name, default, meaning in parameters:
        value = json.dumps(list(default) if isinstance(default, tuple) else default)
        lines += textwrap.wrap(f"{name} ({value}): {meaning}", 100, initial_indent="  ", subsequent_indent="      ")
    try:
        print("\n".join(lines), flush=True)
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(0)


def unused_arguments(arguments):
    """A message if the command line has arguments that are not for ROS, as the node has no others: list of one or none.

    arguments: of the command line, str, without the name of the program
    """
    rest = remove_ros_args(["", *arguments])[1:]
    if not rest:
        return []
    shown = printable(" ".join(rest[:MAX_NAMED]))
    return [f"ignored '{shown}': arguments of ROS begin with --ros-args, such as --ros-args -p NAME:=VALUE"]


def unknown_parameters(node, known):
    """A message for each parameter of the command line that the node does not have, with the nearest of the names
    `known`."""
    sentences = []
    for name in sorted(set(parameter_overrides(node)) - {*known, *OF_ROS}):
        if not name.startswith("qos_overrides."):
            hint = suggestion(name, known) or suggestion(name.rsplit(".", 1)[-1], known)  # written below a group
            sentences.append(f"there is no parameter '{printable(name)}'{hint}: it is ignored")
    return sentences


def unused(arguments, node_name):
    """A message for whatever the command line has that no part of this node reads.

    arguments: of the command line, str; node_name: with its namespace, such as "/robot1/spaceformer".
    """
    return [*unused_arguments(arguments), *unused_files(arguments, node_name), *unused_rules(arguments, node_name)]


def unused_rules(arguments, node_name):
    """A message for each argument -p NODE:NAME:=VALUE of the command line that is for another node."""
    rules = _ros_values(arguments, "-p") + _ros_values(arguments, "--param")
    named = [match for match in (re.match(r"([^:=]+):[^:=]+:=", rule) for rule in rules) if match]
    return [
        f"'{printable(match.string)}' is for the node /{printable(match[1])}, this is {node_name}: it is ignored; "
        "without the name of a node it is for every one"
        for match in named
        if f"/{match[1]}" != node_name
    ]


def unused_overrides(node):
    """A message for each `qos_overrides` parameter of the command line or a file that no publisher of the node has
    declared, with the nearest of those that exist."""
    known = [f"qos_overrides.{name}" for name in node.get_parameters_by_prefix("qos_overrides")]
    given = [name for name in parameter_overrides(node) if name.startswith("qos_overrides.")]
    return [
        f"no publisher has the parameter '{printable(name)}'{suggestion(name, known)}: it is ignored"
        for name in sorted(given)
        if not node.has_parameter(name)
    ]


def unused_files(arguments, node_name):
    """A message for each parameter file of the command line whose node names do not match this node.

    arguments: of the command line, str; node_name: with its namespace, such as "/robot1/spaceformer".
    """
    sentences = []
    for path in _ros_values(arguments, "--params-file"):
        try:
            names = node_names(read_yaml(path))
        except SpaceformerError:  # ROS has read the file already; what is left here are aliases and odd encodings
            continue
        if names and not any(fits(name, node_name) for name in names):
            listed = ", ".join(names[:MAX_NAMED]) + (", ..." if len(names) > MAX_NAMED else "")
            similar = difflib.get_close_matches(node_name, names, 1)
            hint = f", did you mean {node_name} instead of {similar[0]}?" if similar else ""
            sentences.append(
                printable(
                    f"parameter file {path} has parameters for {listed}, none for this node, {node_name}{hint} "
                    "They are ignored; /** matches every node"
                )
            )
    return sentences


def _ros_values(arguments, option):
    """What follows an option such as --params-file, between --ros-args and --."""
    values, is_ros, previous = [], False, ""
    for argument in arguments:
        if is_ros and previous == option:
            values.append(argument)
        is_ros = argument == "--ros-args" or (is_ros and argument != "--")
        previous = argument
    return values


def node_names(content, prefix=""):
    """The names of the nodes in a parameter file, with a leading slash, in the order of the file."""
    names = []
    for key, value in content.items() if isinstance(content, dict) else ():
        if isinstance(value, dict):
            name = f"{prefix}/{str(key).strip('/')}"
            names += [name] if PARAMETERS in value else node_names(value, name)
    return names


def fits(pattern, node_name):
    """Whether a name in a parameter file matches a node: * is one part of a name, ** any number of parts."""
    parts = [{"*": "/[^/]+", "**": "(/[^/]+)*"}.get(part, re.escape(f"/{part}")) for part in pattern.split("/")[1:]]
    return re.fullmatch("".join(parts), node_name) is not None
