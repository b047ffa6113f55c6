//! The little of SVG that the charts need.

use std::fmt::{Display, Write};

/// Series colours, light and dark: eight hues that differ in lightness too.
const SERIES: [[&str; 2]; 8] = [
    ["#1f6fb4", "#6cb6ff"],
    ["#c2410c", "#ff9b5e"],
    ["#15803d", "#5fd38d"],
    ["#9333ea", "#c79bff"],
    ["#be123c", "#ff7d96"],
    ["#0e7490", "#58cfe0"],
    ["#a16207", "#e3b341"],
    ["#525252", "#b5b5b5"],
];

/// From one line of a text to the next.
const LINE: f64 = 14.0;

/// Where a text is anchored.
#[derive(Clone, Copy)]
pub enum Anchor {
    /// It begins here.
    Start,
    /// It is centred here.
    Middle,
    /// It ends here.
    End,
}

/// A drawing.
pub struct Svg {
    body: String,
    size: [f64; 2],
}

impl Svg {
    /// An empty drawing, in pixels.
    pub fn new(width: f64, height: f64) -> Svg {
        Svg { body: String::new(), size: [width, height] }
    }

    fn element(&mut self, element: impl Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.body, "{element}");
    }

    /// A text, in one of the classes `t` (text), `m` (muted) or `h` (heading).
    pub fn text(&mut self, [x, y]: [f64; 2], anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escape(text);
        self.element(format_args!(
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" class="{class}">{text}</text>"#
        ));
    }

    /// A text in lines of at most `most` letters, their middle where that of a single one would be.
    pub fn lines(&mut self, [x, y]: [f64; 2], anchor: Anchor, class: &str, text: &str, most: usize) {
        let lines = broken(text, most);
        let first = y - LINE * (lines.len() as f64 - 1.0) / 2.0;
        for (n, line) in lines.iter().enumerate() {
            self.text([x, first + LINE * n as f64], anchor, class, line);
        }
    }

    /// A line of the class `g` (grid) or `s<n>` (series).
    pub fn line(&mut self, points: &[[f64; 2]], class: &str) {
        let points: Vec<String> = points.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
        self.element(format_args!(r#"<polyline points="{}" class="{class} l"/>"#, points.join(" ")));
    }

    /// A dot with a text that is shown when it is pointed at.
    pub fn dot(&mut self, [x, y]: [f64; 2], class: &str, title: &str) {
        let title = escape(title);
        self.element(format_args!(
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" class="{class} f"><title>{title}</title></circle>"#
        ));
    }

    /// A filled rectangle with such a text.
    pub fn rect(&mut self, [x, y]: [f64; 2], [width, height]: [f64; 2], class: &str, title: &str) {
        let title = escape(title);
        self.element(format_args!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" class="{class} f"><title>{title}</title></rect>"#
        ));
    }

    /// The file: `title` is read out, `from` says what it was drawn from.
    pub fn finish(self, title: &str, from: &str) -> String {
        let [width, height] = self.size;
        let colours = |scheme: usize| -> String {
            let each = |(i, colours): (usize, &[&str; 2])| {
                format!(".s{i}.f{{fill:{0}}}.s{i}.l{{stroke:{0}}}", colours[scheme])
            };
            SERIES.iter().enumerate().map(each).collect()
        };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" role=\"img\">\n<!-- drawn from {from} -->\n<title>{}</title>\n<style>\
             text{{font:12px system-ui,sans-serif}}.h{{font-weight:600}}.l{{fill:none;stroke-width:2}}\
             .b{{fill:#fff}}.t,.h{{fill:#1f2328}}.m{{fill:#59636e}}.g{{stroke:#d1d9e0}}.g.l{{stroke-width:1}}\
             .yes.f{{fill:#15803d}}.no.f{{fill:#f3c6c0}}{}\
             @media(prefers-color-scheme:dark){{.b{{fill:#0d1117}}.t,.h{{fill:#e6edf3}}.m{{fill:#9198a1}}\
             .g{{stroke:#3d444d}}.yes.f{{fill:#3fb950}}.no.f{{fill:#5c2b2e}}{}}}\
             </style>\n<rect class=\"b\" width=\"100%\" height=\"100%\"/>\n{}</svg>\n",
            escape(title),
            colours(0),
            colours(1),
            self.body
        )
    }
}

/// The class of the `n`-th series.
pub fn series(n: usize) -> String {
    format!("s{}", n % SERIES.len())
}

/// A text broken between words into lines of at most `most` letters; a longer word has a line of its own.
fn broken(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => *line += &format!(" {word}"),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_both_schemes_are_there() {
        let mut svg = Svg::new(10.0, 10.0);
        svg.text([1.0, 2.0], Anchor::Middle, "t", "a < b & \"c\"");
        let file = svg.finish("t", "text.json");
        assert!(file.contains("a &lt; b &amp; &quot;c&quot;") && file.contains("prefers-color-scheme:dark"));
        assert!(file.contains("drawn from text.json") && file.ends_with("</svg>\n"));
        assert_eq!(series(9), "s1");
    }

    #[test]
    fn long_texts_are_broken_between_words_about_their_middle() {
        assert_eq!(broken("k 7 % of it", 5), ["k 7 %", "of it"]);
        assert_eq!(broken("a longest word", 6), ["a", "longest", "word"]);
        let mut svg = Svg::new(10.0, 10.0);
        svg.lines([1.0, 20.0], Anchor::End, "t", "k 7 % of it", 5);
        assert!(svg.body.contains(r#"y="13.0""#) && svg.body.contains(r#"y="27.0""#), "{}", svg.body);
    }
}
