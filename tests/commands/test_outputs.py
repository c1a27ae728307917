"""Messages of commands whose output is a device, and run folders with settings that no command writes."""

import json

import pytest

from minidl.commands import report, train
from minidl.commands.setup.options import OPTIONS

SETTINGS = {name: default for name, (default, _, _) in OPTIONS.items()} | {"classes": ["a", "b"]}


@pytest.mark.parametrize("output, stream", [("/dev/stdout", "err"), ("/dev/null", "err"), ("x.png", "out")])
def test_a_line_about_an_output_does_not_mix_with_it(capsys, output, stream):
    report("a line", output)
    assert getattr(capsys.readouterr(), stream) == "a line\n"


@pytest.mark.parametrize("wrong", [{"epochs": "x"}, {"epochs": True}, {"data": "nope"}, {"classes": 3}, {"model": 5}])
def test_wrong_settings_name_the_file(tmp_path, wrong):
    (tmp_path / "config.json").write_text(json.dumps(SETTINGS | wrong))
    with pytest.raises(ValueError, match=rf"config\.json: {next(iter(wrong))} is "):
        train._resumed(tmp_path, {})
