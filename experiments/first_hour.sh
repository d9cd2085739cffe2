#!/usr/bin/env bash
# A stranger's first hour: an empty environment, an empty folder, and photos as PPOCRLabel leaves them.
#
#   experiments/first_hour.sh            35 receipts of ../shared/data, 8 minutes of training
#   experiments/first_hour.sh --short    12 pictures of the sample data set, 4 epochs (make test-wheel)
#
# The wheel is built and installed; init begins, and each further command is the one that the command
# before it has printed. Pictures of report.html at 1280 and 390 px in both languages are in first_hour/,
# if this repository's own .venv is there to take them. The environment stays in .venv-wheel.
set -euo pipefail
cd "$(dirname "$0")/.."
repository="$PWD"
receipts="$repository/../shared/data/receipts"
python="${PYTHON:-python3}"
short=
if [ "${1:-}" = --short ]; then
    short=yes
elif [ ! -d "$receipts" ]; then
    echo "the receipts of shared/data are not here; --short takes the sample data set" >&2
    exit 2
fi

rm -rf dist build .venv-wheel first_hour
"$python" -m venv .venv-wheel
export PATH="$repository/.venv-wheel/bin:$PATH"
python -m pip install --quiet --upgrade pip
python -m pip wheel --quiet --no-deps --wheel-dir dist .
python -m pip install --quiet "$(ls "$repository"/dist/ppocr_ft-*.whl)[cpu]"

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo "installed after $SECONDS s"
ppocr-ft --version
ppocr-ft --help

# PPOCRLabel writes Label.txt beside the photos, and their folder's name before each of them.
if [ -n "$short" ]; then
    source="$(python -c 'import ppocr_ft.data; print(ppocr_ft.data.__path__[0])')/sample"
    count=12
else
    source="$receipts"
    count=35
fi
python - "$source" "$count" <<'PHOTOS'
import shutil
import sys
from pathlib import Path

source, photos = Path(sys.argv[1]), Path("photos")
photos.mkdir()
lines = (source / "train.txt").read_text(encoding="utf-8").splitlines()[: int(sys.argv[2])]
with (photos / "Label.txt").open("w", encoding="utf-8") as label:
    for line in lines:
        image, _, texts = line.partition("\t")
        shutil.copy(source / image, photos)
        print(f"photos/{Path(image).name}\t{texts}", file=label)
PHOTOS
photo="$(ls photos/*.jpg | head -n 1)"

# Runs the command that the last one has printed, with a photo for the one that it names.
printed() {
    local command
    command="$(sed -n "s/^  \(ppocr-ft $1\b.*\)/\1/p" said.txt | tail -n 1)"
    [ -n "$command" ] || { echo "no ppocr-ft $1 among what was printed" >&2; exit 1; }
    command="${command/photo.jpg/$photo}"
    echo "\$ $command"
    bash -c "$command" 2>&1 | tee now.txt
    cat now.txt >> said.txt
}

ppocr-ft init photos --minutes 8 2>&1 | tee said.txt
if [ -n "$short" ]; then  # as long on any machine
    sed -i 's/time_budget: 8m .*/epoch_num: 4/' ppocr_ft.yml
    grep 'epoch_num: 4' ppocr_ft.yml
fi
printed train
test -s output/latest/report.html
printed predict
test -s found/boxes.jsonl
printed export
test -s output/latest/inference/inference.yml
ls found output/latest/inference
echo "from nothing to an exported model in $SECONDS s"

if [ -x "$repository/.venv/bin/python" ] && command -v chromium >/dev/null; then
    fc-list :lang=zh | grep -q . || echo "no font with Chinese letters here: boxes stand in their place"
    "$repository/.venv/bin/python" - "$repository/first_hour" <<'PICTURES'
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

out = Path(sys.argv[1])
out.mkdir()
with sync_playwright() as started:
    browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    for width in (1280, 390):
        page = browser.new_page(viewport={"width": width, "height": 1600})
        page.goto(Path("output/latest/report.html").resolve().as_uri())
        for language in ("en", "zh"):
            page.click(f'button[data-language="{language}"]')
            page.wait_for_timeout(500)
            path = out / f"report_{width}_{language}.png"
            page.screenshot(path=path)
            print(f"picture: {path.name}")
    browser.close()
PICTURES
else
    echo "no pictures of report.html: they need make setup and chromium"
fi
