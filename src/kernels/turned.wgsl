// Which channels of a head RoPE turns together (arXiv 2104.09864).

struct Partner {
    pair: u32, // place of both in the table of angles
    channel: u32, // the other one
    sign: f32, // of the other's part
}

// Of channel c, below `rotated`; `halves` 1: pairs are i and i + rotated / 2, else 2i and 2i + 1.
fn partner_of(c: u32, rotated: u32, halves: u32) -> Partner {
    if halves == 1u {
        let half = rotated / 2u;
        if c >= half {
            return Partner(c - half, c - half, 1.0);
        }
        return Partner(c, c + half, -1.0);
    }
    return Partner(c / 2u, c ^ 1u, select(-1.0, 1.0, c % 2u == 1u));
}
