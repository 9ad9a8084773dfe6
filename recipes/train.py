"""Train a classifier on augmented spectrograms: one loop to read from top to bottom and copy.

    python recipes/train.py --epochs 8 --out my_run

The notes are part of augspec; training takes a few minutes on any device. It writes
OUT/model.safetensors and OUT/frontend.yaml, which are enough to use the network. To compare
augmentations, with seeds and intervals, use ablation.py.
"""

import argparse
from pathlib import Path

import torch
import yaml
from rich.progress import track
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

import augspec
from augspec import features as F
from augspec import transforms as T

parser = argparse.ArgumentParser(
    description="Train a classifier on the notes that come with augspec. For sounds of your own "
    "copy this file and change what stands below 'Data'."
)
parser.add_argument("--epochs", type=int, default=4, help="passes over the training notes")
parser.add_argument("--seed", type=int, default=0, help="seed of weights, order and augmentation")
parser.add_argument("--out", type=Path, default=Path("out/train"), help="folder of the results")
options = parser.parse_args()

# --- Settings, each with its reason ---------------------------------------------------------------
batch_size = 32  # small, because 640 notes give only 20 steps per epoch
learning_rate = 2e-3  # the peak of one cycle of AdamW, usual for a small network from scratch
weight_decay = 0.05
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# --- Data -----------------------------------------------------------------------------------------
# An item is a dictionary with `waveform (channel, time)`, `label` and `index`. For your own sounds
# use augspec.datasets.AudioFolder("sounds", split_from="folder", split="train"); if they have
# several labels each, use binary_cross_entropy_with_logits as the loss. All sounds of a group (an
# instrument, a speaker, a day) must be in one split, otherwise the score only shows what the
# network remembers.
train = augspec.datasets.GMNotes("train")
valid = augspec.datasets.GMNotes("valid")

# --- From waveforms to augmented spectrograms, on the device of the batch -------------------------
# Start with narrow ranges: an augmentation must not make the label wrong.
frontend = augspec.Frontend(
    waveform=T.Chain([T.PitchShift((-1.0, 1.0)), T.RandomCrop(56_000), T.Gain((-12.0, 6.0))]),
    features=torch.nn.Sequential(
        F.LogMelSpectrogram(train.sample_rate, n_fft=1024, hop_length=512, n_mels=64),
        F.Normalize(
            mean=-36.0, std=37.0
        ),  # of the notes' log-mel; fixed, so that the level remains a cue
    ),
)

# --- The model and its optimizer ------------------------------------------------------------------
torch.manual_seed(options.seed)
model = augspec.create_backbone("resnet10t", num_classes=len(train.classes), in_chans=1)
model = model.to(memory_format=torch.channels_last).to(device)  # twice as fast on a CPU
optimizer = torch.optim.AdamW(model.parameters(), learning_rate, weight_decay=weight_decay)

# Drop an incomplete last batch, because batch norm works badly with one or two examples. The draws
# of the augmentation are hashes of seed, epoch and example, and need no random state.
batches = augspec.DeviceLoader(
    DataLoader(train, batch_size=batch_size, shuffle=True, drop_last=True),
    frontend,
    device=device,
    seed=options.seed,
)
scored = augspec.DeviceLoader(DataLoader(valid, batch_size=64), frontend, device=device)
schedule = torch.optim.lr_scheduler.OneCycleLR(
    optimizer, learning_rate, total_steps=options.epochs * len(batches), pct_start=0.2
)

# --- Train ----------------------------------------------------------------------------------------
for epoch in range(options.epochs):
    model.train()
    frontend.train()  # augmentation on
    batches.set_epoch(epoch)
    total = torch.zeros((), device=device)
    for batch in track(batches, f"epoch {epoch + 1}", transient=True):
        loss = cross_entropy(model(batch["specgram"]), batch["label"])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        total += loss.detach()
    print(f"epoch {epoch + 1}: training loss {float(total) / len(batches):.3f}")

# --- Score, once: choosing an epoch by the scored notes would bias the score ----------------------
model.eval()
frontend.eval()  # augmentation off: the plain features
right = torch.zeros(len(train.classes))
count = torch.zeros(len(train.classes))
with torch.no_grad():
    for batch in scored:
        label = batch["label"].cpu()
        right.index_add_(0, label, (model(batch["specgram"]).argmax(-1).cpu() == label).float())
        count.index_add_(0, label, torch.ones(len(label)))
print(f"macro recall {100 * float((right / count).mean()):.1f} % on instruments never trained on")

options.out.mkdir(parents=True, exist_ok=True)
weights = {name: value.contiguous() for name, value in model.state_dict().items()}
save_file(weights, options.out / "model.safetensors")
(options.out / "frontend.yaml").write_bytes(yaml.safe_dump(augspec.to_config(frontend)).encode())
print(f"Weights: {options.out / 'model.safetensors'}")
