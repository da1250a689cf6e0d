# SPDX-License-Identifier: Apache-2.0
"""The page of one visitor: its panel, and what happens when something is typed or clicked.

Texts of users and of maps reach the browser as plain text: in controls and 3D labels, and escaped in HTML.
"""

import contextlib
import functools
import html
import math
import threading

import numpy as np

from .. import SpaceformerError
from ..show.viewpoints import overview, toward
from ..sources.snapshot import Question
from ..sources.source import NoMapYet
from .coloring import COLORS, INSTANCES, MODES, RELEVANCY
from .drawing import Drawing
from .flight import fly
from .plan import Plan, has_plan, room_boxes
from .recording import Recording, picture, png

NOTHING = "-"  # entry of the list of objects that stands for none
RECORD, STOP = "Record", "Stop and save"  # names of one button
ERROR_SECONDS = 10.0  # that an error is shown


def reported(method):
    """A method of Page that handles an event: one at a time; errors are shown to the visitor."""

    @functools.wraps(method)
    def handle(self, *_event):
        with self.lock:
            try:
                return method(self)
            except SpaceformerError as error:
                self._show_error(error)

    return handle


class Page:
    """The page of one visitor."""

    def __init__(self, client, source, details):
        """client: viser's ClientHandle; source: Source; details: DetailCache of all visitors."""
        self.client = client
        self.lock = threading.RLock()
        self._source = source
        self._details = details
        self._drawing, self._plan = Drawing(client.scene), Plan(client.scene)
        self._recording = None
        self._snapshot = None  # the one that is drawn
        self._findings = None  # of the last question
        self._relevancy = None  # [N] of the points of the drawn snapshot for it
        self._matches = []  # viser's handles of the buttons of the matches
        self._entries, self._room_boxes = {}, {}  # object, and box, of each entry of the lists
        with self.lock:
            self._build()
        self.refresh()

    # --- the panel ---

    def _build(self):
        gui = self.client.gui
        gui.configure_theme(dark_mode=True, show_logo=False, show_share_button=False)
        self._status = gui.add_html("")
        self._map = None
        if len(self._source.maps) > 1:
            self._map = gui.add_dropdown("Map", self._source.maps, initial_value=self._source.chosen)
            self._map.on_update(self._choose)
        tabs = gui.add_tab_group()
        with tabs.add_tab("Ask"):
            self._build_questions(gui)
        with tabs.add_tab("Objects"):
            self._build_objects(gui)
        with tabs.add_tab("Vocabulary"):
            self._build_vocabulary(gui)
        with tabs.add_tab("View"):
            self._build_view(gui)

    def _build_questions(self, gui):
        with gui.add_form(None) as form:
            self._text = gui.add_text("Find", "", hint="such as: something to sit on; press Enter")
            button = gui.add_button("Ask")
        button.on_click(lambda _: form.submit())
        form.on_submit(self._ask)
        self._answer = gui.add_html("")
        self._found = gui.add_folder("Matches", visible=False)

    def _build_objects(self, gui):
        self._objects = gui.add_dropdown("Fly to", (NOTHING,), hint="best first")
        self._objects.on_update(self._fly_to_object)
        self._rooms = gui.add_dropdown("Room", (NOTHING,), visible=False, hint="fly to a room")
        self._rooms.on_update(self._fly_to_room)
        self._threshold = gui.add_slider("Minimum score", 0.0, 1.0, 0.01, 0.0)
        self._threshold.on_update(self._draw_boxes)
        self._show_boxes = gui.add_checkbox("Boxes", True)
        self._show_names = gui.add_checkbox("Names", True)
        for handle in (self._show_boxes, self._show_names):
            handle.on_update(self._draw_boxes)

    def _build_vocabulary(self, gui):
        hint = "one per line; sofa|couch: synonyms follow the name"
        self._labels = gui.add_text("Labels", "", multiline=True, hint=hint)
        gui.add_button("Use these labels").on_click(self._set_vocabulary)

    def _build_view(self, gui):
        self._mode = gui.add_dropdown("Colours", MODES, initial_value=COLORS)
        self._mode.on_update(self._recolor)
        self._show_plan = gui.add_checkbox("Rooms and walls", True, visible=False)
        self._show_plan.on_update(self._draw_plan)
        self._ceiling = gui.add_checkbox("Ceiling", False)
        self._ceiling.on_update(self._draw_cloud)
        self._dark = gui.add_checkbox("Dark", True)
        self._dark.on_update(self._set_theme)
        gui.add_button("Whole map").on_click(self._fly_to_overview)
        gui.add_button("Save picture").on_click(self._save_picture)
        self._record = gui.add_button(RECORD, hint="a moving picture of what you see, at most half a minute")
        self._record.on_click(self._toggle_recording)

    # --- what the source shows ---

    def update(self):
        """Show what is new in the source, and more points near the camera; later, while an event is being handled."""
        if self.lock.acquire(blocking=False):
            try:
                self.refresh()
                self._drawing.refine(self._eye())
            finally:
                self.lock.release()

    @reported
    def refresh(self):
        """Show what is new in the source; a question that was asked is asked again."""
        self._status.content = paragraph(self._source.status())
        if self._map is not None and self._source.chosen != self._map.value:
            self._map.value = self._source.chosen  # another visitor chose
        try:
            snapshot = self._source.snapshot()
        except NoMapYet:
            return
        if self._snapshot is not None and snapshot.revision == self._snapshot.revision:
            return
        old, self._snapshot = self._snapshot, snapshot
        is_new = old is None or snapshot.cloud is not old.cloud
        if is_new:
            self._relevancy = None
            self._replace_cloud(None if old is None else self._eye())
        if old is None:
            self.client.camera.position, self.client.camera.look_at = self._overview()
        if old is None or snapshot.labels != old.labels:  # otherwise keep what the visitor is editing
            self._labels.value = "\n".join(snapshot.labels)
        self._list_objects()
        self._draw_plan()
        self._draw_boxes()
        if self._findings is not None:
            self._look_up()
        if self._findings is not None or not is_new:
            self._recolor()

    def _list_objects(self):
        entries = [f"{item.label} {item.id} ({item.score:.2f})" for item in self._snapshot.objects]
        self._objects.options = (NOTHING, *entries)
        self._entries = dict(zip(entries, self._snapshot.objects))

    def _list_rooms(self, graph):
        to_local = self._snapshot.cloud.placement.inverse
        self._room_boxes = {text: box.moved(to_local) for text, box in room_boxes(graph)}
        self._rooms.options = (NOTHING, *self._room_boxes)
        self._rooms.visible = bool(self._room_boxes)

    @reported
    def _draw_cloud(self):
        if self._snapshot is not None:
            self._replace_cloud(self._eye())

    def _replace_cloud(self, eye):
        detail = self._details.of(self._snapshot.cloud, self._ceiling.value)
        self._drawing.draw_cloud(self._snapshot, detail, eye, (self._mode.value, self._relevancy))

    @reported
    def _recolor(self):
        if self._snapshot is not None:
            self._drawing.color_cloud(self._snapshot, self._mode.value, self._relevancy)
            self._draw_boxes()

    @reported
    def _draw_boxes(self):
        if self._snapshot is not None:
            items = [item for item in self._snapshot.objects if item.score >= self._threshold.value]
            items = items if self._show_boxes.value else []
            matches = self._findings.found if self._findings else ()
            named = [item for item in items if item.id not in {finding.object.id for finding in matches}]
            self._drawing.draw_boxes(items, named if self._show_names.value else (), self._mode.value)

    @reported
    def _draw_plan(self):
        if self._snapshot is None:
            return
        graph = None
        with contextlib.suppress(SpaceformerError):  # the node does not make graphs, or is not active
            graph = self._source.graph()
        self._list_rooms(graph)
        self._show_plan.visible = has_plan(graph)
        shown = graph if self._show_plan.value else None
        self._plan.draw(shown, self._snapshot.cloud.placement, self._drawing.origin)

    # --- questions ---

    @reported
    def _ask(self):
        if not self._text.value.strip():
            self._findings = self._relevancy = None
            self._mode.value = COLORS if self._mode.value == RELEVANCY else self._mode.value
            self._show_answer()
        else:
            self._look_up()
            self._mode.value = RELEVANCY
            if self._findings.found:
                self._fly_to_box(self._findings.found[0].object.box)
        self._recolor()

    def _look_up(self):
        """Ask the source again and show its answer."""
        text = self._text.value.strip()
        self._findings = self._source.find(Question(text))
        snapshot, relevancy = self._source.relevancy(text)
        self._relevancy = relevancy if snapshot.cloud is self._snapshot.cloud else None
        self._show_answer()

    def _show_answer(self):
        findings = self._findings
        self._drawing.draw_answer(findings)
        self._answer.content = paragraph(findings.message) if findings else ""
        for handle in self._matches:
            handle.remove()
        self._matches = []
        self._found.visible = bool(findings and findings.found)
        with self._found:
            for finding in findings.found if findings else ():
                button = self.client.gui.add_button(match_text(finding), hint="fly there")
                button.on_click(functools.partial(self._fly_to_match, finding.object.box))
                self._matches.append(button)

    @reported
    def _set_vocabulary(self):
        labels = [line.strip() for line in self._labels.value.splitlines() if line.strip()]
        self._status.content = paragraph(self._source.set_vocabulary(labels))
        self._mode.value = INSTANCES if self._mode.value == COLORS else self._mode.value
        self.refresh()

    @reported
    def _choose(self):
        if self._map.value != self._source.chosen:
            self._source.choose(self._map.value)
        self.refresh()

    # --- camera, theme, picture ---

    @reported
    def _fly_to_object(self):
        if (item := self._entries.get(self._objects.value)) is not None:
            self._fly_to_box(item.box)

    @reported
    def _fly_to_room(self):
        if (box := self._room_boxes.get(self._rooms.value)) is not None:
            self._fly_to_box(box)

    def _fly_to_match(self, box, _event):
        self._fly_to_box(box)

    def _fly_to_box(self, box):
        fly(self.client, *self._drawn(toward(box, self._eye())))

    @reported
    def _fly_to_overview(self):
        if self._snapshot is not None:
            fly(self.client, *self._overview())

    def _eye(self):
        """[3] metres: the camera in the map's local coordinates."""
        origin = self._drawing.origin
        return np.array(self.client.camera.position) + (0.0 if origin is None else origin)

    def _overview(self):
        camera = self.client.camera
        narrow = 2 * math.atan(min(camera.aspect, 1.0) * math.tan(camera.fov / 2))  # a phone is higher than wide
        return self._drawn(overview(self._snapshot.cloud, narrow))

    def _drawn(self, places):
        """Positions of the map in the coordinates of the picture."""
        return [place - self._drawing.origin for place in places]

    @reported
    def _set_theme(self):
        self.client.gui.configure_theme(dark_mode=self._dark.value, show_logo=False, show_share_button=False)

    @reported
    def _save_picture(self):
        self._download("map.png", png(picture(self.client, self._dark.value)))

    @reported
    def _toggle_recording(self):
        if self._recording is not None:
            self._recording.stop()
        else:
            self._record.label = STOP
            self._recording = Recording(self.client, self._dark.value, self._end_recording)

    def _end_recording(self, result):
        self._record.label, self._recording = RECORD, None
        if isinstance(result, SpaceformerError):
            self._show_error(result)
        else:
            self._download("map.gif", result)

    def _download(self, name, content):
        self.client.send_file_download(name, content, save_immediately=True)

    def _show_error(self, error):
        self.client.add_notification("Not done", str(error), auto_close_seconds=ERROR_SECONDS, color="red")


def paragraph(text):
    """A text as HTML."""
    return f'<p style="padding: 0 0.7em; font-size: 0.85em">{html.escape(text)}</p>'


def match_text(finding):
    """One line about a Finding: label, id, score, and the distance where it is known."""
    distance = "" if math.isnan(finding.distance) else f", {finding.distance:.1f} m"
    return f"{finding.object.label} {finding.object.id}: {finding.score:.2f}{distance}"
