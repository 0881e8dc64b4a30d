"""What can be done everywhere, in any list, and in questions."""

from __future__ import annotations

from console.actions.action import Action

ACTIONS = (
    Action("app.programs", "1", "Programs", "Programs and their members", footer="never"),
    Action("app.audiences", "2", "Audiences", "Who a message goes to", footer="never"),
    Action("app.compose", "3", "Compose", "Write a message and see the lock screen", footer="never"),
    Action("app.blasts", "4", "Blasts", "What was planned, is running and has been sent", footer="never"),
    Action("app.audit", "5", "Audit", "Who did what, and when", footer="never"),
    Action("app.help", "question_mark", "Help", "This page"),
    Action("app.command_palette", "ctrl+p", "Find", "Find a screen, program, blast or theme", footer="never"),
    Action("app.leave", "q,ctrl+q", "Quit", "Leave; asks first while a blast depends on this console"),
    Action("table.cursor_up", "up,k", "Up", "One row up", footer="never"),
    Action("table.cursor_down", "down,j", "Down", "One row down", footer="never"),
    Action("table.page_up", "pageup,ctrl+b", "Page up", "One page up", footer="never"),
    Action("table.page_down", "pagedown,ctrl+f", "Page down", "One page down", footer="never"),
    Action("table.first", "home,g", "First", "The first row", footer="never"),
    Action("table.last", "end,G", "Last", "The last row", footer="never"),
    Action("table.select", "enter", "Open", "Open the row", footer="never"),
    Action("help.close", "escape,q,question_mark", "Close", "Back to the screen"),
    Action("ask.cancel", "escape", "Cancel", "No; nothing is done"),
    Action("form.do", "ctrl+s", "Do it", "Do what the page asks about"),
    Action("form.cancel", "escape", "Cancel", "Leave it as it is"),
)
