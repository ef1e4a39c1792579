"""A model's card: what it is, what it was measured to do, how sure it is, and what it is not."""

from backbeat.bundle.description import Description
from backbeat.evaluation.calibration import MIN_SONGS, Calibration, at_limit
from backbeat.files.text import number, percent, significant
from backbeat.frontend import input_shape


def card(description: Description) -> str:
    """Write the model's card: what it is, what it was measured to do, and what it is not."""
    measured, split = description.measured, description.split
    leak = f"\n{split.leak}\n" if split.leak else ""
    if split.leak.startswith(("LEAKING", "Leaks")):
        leak = f"\n**{split.leak}** Accuracy on new songs was not measured.\n"
    recalls = "\n".join(
        f"| {genre} | {'-' if value is None else percent(value, 0)} |"
        for genre, value in measured.recall.items()
    )
    slices, frames, bands = input_shape(description.frontend, description.input)
    size = f"{frames} frames x {bands} bands"
    if description.input == "joined":
        size = "a log-mel map and MusiCNN's patches of it"
    window = description.frontend.window_samples / description.frontend.sample_rate
    takes = f"""It predicts from {slices} slice(s) of {size} in each window of
{significant(window)} s
(front-end `{description.frontend.name}`, {description.frontend.sample_rate} Hz)."""
    if not description.takes_audio:
        takes = f"""It predicts from vectors of {bands} numbers that were made elsewhere, and cannot
classify audio."""
    caution = f"\n**Caution: {description.caution}.**\n" if description.caution else ""
    return f"""# {description.model}

A music-genre classifier for {len(description.genres)} genres: {", ".join(description.genres)}.
Made by {description.made_by} from {description.trained_on_tracks} tracks.

{takes}

## Measured
Split `{split.protocol}`, seed {split.seed}, hash `{split.hash}`:
{percent(measured.slice_accuracy)} of {measured.slices} test slices,
{percent(measured.track_accuracy)} of {measured.tracks} test tracks.
{leak}
| genre | recall of tracks |
| --- | --- |
{recalls}

## How sure it is
{_how_sure(description.calibration)}

## What it is not
It knows only these genres. Genres overlap and labels differ between people. It was measured on
songs of the collection that it was trained on, and may do worse on music of other times, places or
recordings.
{caution}{description.notes}"""


def _how_sure(calibration: Calibration) -> str:
    if not calibration.fitted:
        return "Its probabilities are the network's own, not calibrated; it is never unsure."
    lines = [
        f"Probabilities of songs are calibrated (temperature "
        f"{number(calibration.temperature, 2)}, fitted "
        f"on {calibration.songs} validation songs)."
    ]
    if at_limit(calibration.temperature):
        lines.append(
            "The temperature lies at the end of its search range, where no best value was found: "
            "do not rely on these probabilities."
        )
    if calibration.songs < MIN_SONGS:
        lines.append(f"Fewer than {MIN_SONGS} validation songs: all of this is uncertain.")
    unsure = calibration.unsure
    if unsure and unsure.error is None:
        lines.append(
            'It says "unsure" of all validation songs: no threshold was expected to keep wrong '
            f"answers at {percent(unsure.max_error, 0)}."
        )
    elif unsure:
        lines.append(
            f'Below {percent(unsure.threshold, 0)} it says "unsure": of the validation songs it '
            f"then "
            f"answers {percent(unsure.coverage, 0)}, and {percent(unsure.error, 0)} of those "
            f"answers are wrong "
            f"(aim: {percent(unsure.max_error, 0)})."
        )
    if stranger := calibration.out_of_genre:
        lines.append(
            f"Songs stranger to it than {percent(stranger.threshold, 0)} of the validation songs "
            f"are "
            'reported as "out of genre": perhaps none of these genres.'
        )
    return "\n".join(lines)
