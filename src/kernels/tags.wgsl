// What is known of the token at an original position: a word with its round, and in the upper half its picture.

struct Tags {
    known: u32, // positions that have a tag
    last_round: u32, // that of all behind them
    newest: u32, // round of the pass's newest row
    unused: u32,
}

fn round_at(known: Tags, position: u32) -> u32 {
    if position >= known.known {
        return known.last_round;
    }
    return tags[position] & 0xffffu;
}
