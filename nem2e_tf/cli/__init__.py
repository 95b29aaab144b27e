"""The command `nem2e`: what the library does, from files to files."""

from nem2e_tf.cli import data, measuring, recording, study, terminal

app = terminal.application("Muscle activity from human motion.")

for command in (
    recording.estimate,
    recording.report,
    recording.simulate,
    recording.refine,
    recording.stream,
    recording.distortion,
    measuring.evaluate,
    study.prepare,
    study.personalise,
    measuring.emg,
    study.cohort,
    measuring.scale,
    study.demo,
):
    app.command()(command)
app.add_typer(data.app, name="data")


def main() -> None:
    """Run `nem2e`."""
    terminal.run(app)
