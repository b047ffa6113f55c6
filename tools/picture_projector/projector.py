"""The projector: 28 x 28 -> 16 rows of 576, 339,761 parameters. The names of its tensors are those of the file."""

import torch
import torch.nn as nn
import torch.nn.functional as F

ROWS, WIDTH = 16, 576
MEAN, STD = 0.13, 0.31
NORM = 3.2  # mean L2 norm of the model's token embeddings


class Projector(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 24, 5, 2, 2)  # [B,1,28,28] -> [B,24,14,14]
        self.conv2 = nn.Conv2d(24, 64, 3, 2, 1)  # -> [B,64,7,7]
        self.conv3 = nn.Conv2d(64, 128, 3, 2, 1)  # -> [B,128,4,4]
        self.positions = nn.Parameter(torch.randn(ROWS, 128) * 0.02)
        self.mix_norm = nn.LayerNorm(128)
        self.mix1 = nn.Linear(ROWS, 48)
        self.mix2 = nn.Linear(48, ROWS)
        self.mlp_norm = nn.LayerNorm(128)
        self.mlp1 = nn.Linear(128, 256)
        self.mlp2 = nn.Linear(256, 128)
        self.out_norm = nn.LayerNorm(128)
        self.out1 = nn.Linear(128, 256)
        self.out2 = nn.Linear(256, WIDTH)
        self.gain = nn.Parameter(torch.zeros(1))

    def encode(self, images):
        """[B, 28, 28] -> features [B, 16, 128]; row r is cell (r / 4, r % 4), mixed with the others."""
        x = (images[:, None] - MEAN) / STD
        for conv in (self.conv1, self.conv2, self.conv3):
            x = F.gelu(conv(x))
        x = x.flatten(2).transpose(1, 2) + self.positions
        x = x + self.mix2(F.gelu(self.mix1(self.mix_norm(x).transpose(1, 2)))).transpose(1, 2)
        return x + self.mlp2(F.gelu(self.mlp1(self.mlp_norm(x))))

    def forward(self, images):
        """[B, 28, 28] -> [B, 16, 576], each row of norm 3.2 exp(gain)."""
        x = self.out2(F.gelu(self.out1(self.out_norm(self.encode(images)))))
        return x / x.norm(dim=-1, keepdim=True) * (NORM * self.gain.exp())
