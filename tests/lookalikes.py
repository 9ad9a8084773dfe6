"""Small folders with the layouts of public data sets, as their archives unpack."""

import csv
from pathlib import Path

import numpy as np
import soundfile


def sound(path, seconds=0.1, rate=16_000, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(len(str(path)))
    soundfile.write(path, random.uniform(-0.5, 0.5, (round(seconds * rate), channels)), rate)


def table(path, header, rows, delimiter=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows([header.split(","), *rows])


def esc50(root):
    """ESC-50-master/{audio, meta/esc50.csv}: five folds, names of fold, clip, take and target."""
    names = ["dog", "rooster", "rain"]
    rows = []
    for fold in range(1, 6):
        for target, category in enumerate(names):
            name = f"{fold}-{100 + target}{fold}-A-{target}.wav"
            sound(root / "audio" / name, rate=44_100)
            rows.append([name, fold, target, category, target == 0, f"{100 + target}{fold}", "A"])
    table(root / "meta" / "esc50.csv", "filename,fold,target,category,esc10,src_file,take", rows)


def urbansound8k(root):
    """UrbanSound8K/{audio/fold1 ... fold10, metadata/UrbanSound8K.csv}, several sampling rates."""
    rows = []
    for fold in range(1, 11):
        for class_id, name in ((0, "air_conditioner"), (3, "dog_bark"), (10, "street_music")):
            file = f"{1000 + fold}-{class_id}-0-0.wav"
            rate = (44_100, 48_000, 22_050)[fold % 3]
            sound(root / "audio" / f"fold{fold}" / file, rate=rate, channels=1 + fold % 2)
            rows.append([file, 1000 + fold, 0.0, 0.1, 1, fold, class_id, name])
    header = "slice_file_name,fsID,start,end,salience,fold,classID,class"
    table(root / "metadata" / "UrbanSound8K.csv", header, rows)


def fsd50k(root):
    """FSD50K.{dev_audio, eval_audio, ground_truth}: labels between commas, in quotes."""
    labels = ["Bark,Dog", "Rain", "Dog,Rain,Water", "Water"]
    for part in ("dev", "eval"):
        rows = []
        for number, own in enumerate(labels):
            name = 64_760 + number + (part == "eval") * 100
            sound(root / f"FSD50K.{part}_audio" / f"{name}.wav", rate=44_100)
            split = [("train", "val")[number % 2]] if part == "dev" else []
            rows.append([name, own, "/m/x", *split])
        header = "fname,labels,mids" + (",split" if part == "dev" else "")
        table(root / "FSD50K.ground_truth" / f"{part}.csv", header, rows)


def speech_commands(root):
    """A folder a word, background noise, and lists of the files of validation and test."""
    lists = {"validation": [], "testing": []}
    for word in ("yes", "no", "up"):
        for number, part in enumerate(("train", "train", "validation", "testing")):
            name = f"{word}/{number:08x}_nohash_0.wav"
            sound(root / name)
            if part in lists:
                lists[part].append(name)
    sound(root / "_background_noise_" / "white_noise.wav", 1.0)
    for part, names in lists.items():
        (root / f"{part}_list.txt").write_text("\n".join(names) + "\n", encoding="utf-8")


def birdclef(root):
    """train_metadata.csv with Python lists in cells, and train_audio/{species}/{name}.ogg."""
    species = ["abethr1", "barswa", "combul2"]
    rows = []
    for number in range(6):
        own, other = species[number % 3], species[(number + 1) % 3]
        name = f"{own}/XC{128_013 + number}.ogg"
        sound(root / "train_audio" / name, 0.5 + 0.1 * number, 32_000)
        others = [other] if number % 2 else []
        rows.append([own, others, ["call"], 4.39, 38.27, own.title(), f"Recordist {number % 2}"])
        rows[-1] += ["https://xeno-canto.org/1", name]
    header = (
        "primary_label,secondary_labels,type,latitude,longitude,common_name,author,url,filename"
    )
    table(root / "train_metadata.csv", header, rows)


def all_of_them(root=Path()):
    esc50(root / "ESC-50-master")
    urbansound8k(root / "UrbanSound8K")
    fsd50k(root / "FSD50K")
    speech_commands(root / "speech_commands")
    birdclef(root / "birdclef")


def fsdd(root, takes=3):
    """recordings/{digit}_{speaker}_{take}.wav at 8 kHz: two vowels a digit, a voice a speaker."""
    root.mkdir(parents=True, exist_ok=True)
    formants = [(300, 900), (700, 1200), (500, 1900), (300, 2300), (400, 700)]
    words = [(one, other) for one in range(5) for other in ((one + 1) % 5, (one + 3) % 5)]
    random = np.random.default_rng(0)
    for speaker, pitch in (("george", 95.0), ("jackson", 110.0), ("lucas", 130.0), ("theo", 150.0)):
        tract = random.uniform(0.93, 1.07)
        for digit, vowels in enumerate(words):
            for take in range(takes):
                parts = [_vowel(formants[v], pitch, tract, random) for v in vowels]
                samples = np.concatenate(parts) + 0.002 * random.normal(size=sum(map(len, parts)))
                soundfile.write(root / f"{digit}_{speaker}_{take}.wav", samples, 8_000)


def _vowel(formants, pitch, tract, random):
    """Add up the harmonics of a voice, each as loud as the formants let it be."""
    time = np.arange(round(8_000 * random.uniform(0.15, 0.25))) / 8_000
    harmonics = pitch * random.uniform(0.95, 1.05) * np.arange(1, 25)
    levels = sum(1.0 / (1.0 + ((harmonics - tract * own) / 80.0) ** 2) for own in formants)
    phases = random.uniform(0.0, 6.3, len(harmonics))
    waves = levels * np.sin(6.2832 * harmonics * time[:, None] + phases)
    return 0.1 * waves.sum(1) * np.hanning(len(time))
