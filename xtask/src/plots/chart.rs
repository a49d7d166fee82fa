//! A chart of rows: a label, and below it marks on one axis, each with its range. Narrow, so that a telephone shows it
//! without making the text small. It needs neither a script nor a font, and follows light and dark by itself.

use std::fmt::Write;

use super::axis::{Axis, short_text, text};
use super::result::Range;

/// What a mark says.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Value,
    P50,
    P99,
}

pub struct Mark {
    kind: Kind,
    range: Range,
}

impl Mark {
    pub fn new(kind: Kind, range: Range) -> Self {
        Self { kind, range }
    }
}

pub struct Row {
    pub label: String,
    pub marks: Vec<Mark>,
}

pub struct Group {
    /// May be empty.
    pub heading: String,
    pub rows: Vec<Row>,
}

pub struct Chart {
    /// Of its file.
    pub name: String,
    pub title: String,
    pub unit: &'static str,
    pub groups: Vec<Group>,
    /// Benchmarks that the results do not have.
    pub absent: Vec<String>,
    /// Bars in equal steps from zero, in place of marks on powers of ten.
    pub from_zero: bool,
}

const WIDTH: f64 = 400.0;
const MARGIN: f64 = 12.0;
/// Heights of the title, of a heading, of a row and of what is below all.
const TITLE: f64 = 52.0;
const HEADING: f64 = 26.0;
const ROW: f64 = 36.0;
const FOOT: f64 = 46.0;

const STYLE: &str = "svg{--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--page:#fff;--one:#0550ae;--two:#9a3412}\
@media(prefers-color-scheme:dark){svg{--ink:#e6edf3;--soft:#9da7b1;--line:#3d444d;--page:#0d1117;--one:#79c0ff;\
--two:#ffa657}}\
text{font:13px system-ui,sans-serif;fill:var(--ink)}.t{font-size:16px;font-weight:600}.h{font-weight:600}\
.s{fill:var(--soft)}.e{text-anchor:end}.m{text-anchor:middle}.p{fill:var(--page)}.g{stroke:var(--line)}\
.a{fill:var(--one);stroke:var(--one)}.b{fill:var(--page);stroke:var(--two);stroke-width:2}\
.r{stroke-width:3;opacity:.55}.r.b{stroke-width:3}";

impl Chart {
    pub fn new(name: &str, title: String, unit: &'static str) -> Self {
        Self { name: name.to_owned(), title, unit, groups: Vec::new(), absent: Vec::new(), from_zero: false }
    }

    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.groups.iter().flat_map(|group| &group.rows)
    }

    fn is_of_times(&self) -> bool {
        self.rows().flat_map(|row| &row.marks).any(|mark| mark.kind != Kind::Value)
    }

    pub fn svg(&self, caption: &str) -> String {
        let headings = self.groups.iter().filter(|group| !group.heading.is_empty()).count();
        let bottom = TITLE + HEADING * headings as f64 + ROW * self.rows().count() as f64;
        let height = bottom + FOOT;
        let name = &self.name;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"560\" height=\"{}\" \
             role=\"img\" aria-labelledby=\"{name}-title {name}-desc\">\n<title id=\"{name}-title\">{}</title>\n\
             <desc id=\"{name}-desc\">{}</desc>\n<style>{STYLE}</style>\n<rect class=\"p\" width=\"100%\" \
             height=\"100%\"/>\n",
            (height * 1.4).round(),
            escaped(&self.title),
            escaped(&self.description(caption))
        );
        put(&mut svg, "t", (MARGIN, 24.0), &self.title);
        put(&mut svg, "s", (MARGIN, 43.0), self.legend());
        let axis = self.axis();
        for tick in axis.ticks() {
            let x = place(&axis, tick);
            let _ = writeln!(svg, "<path class=\"g\" d=\"M{x} {TITLE}V{bottom}\"/>");
            let class = if x > WIDTH - 40.0 { "s e" } else { "s m" };
            let x = x.max(MARGIN + 8.0);
            put(&mut svg, class, (x, bottom + 16.0), &short_text(tick, self.unit));
        }
        self.draw_rows(&mut svg, &axis);
        put(&mut svg, "s", (MARGIN, height - 9.0), caption);
        svg + "</svg>\n"
    }

    fn legend(&self) -> &'static str {
        match (self.from_zero, self.is_of_times()) {
            (true, _) => "1 MB is 10⁶ bytes",
            (_, true) => "● half, ◆ 99 % of all; line: range over rounds",
            _ => "● median; line: range over rounds",
        }
    }

    fn axis(&self) -> Axis {
        let marks = self.rows().flat_map(|row| &row.marks);
        let values: Vec<f64> = marks.flat_map(|mark| [mark.range.value, mark.range.low, mark.range.high]).collect();
        Axis::around(&values, self.from_zero)
    }

    fn draw_rows(&self, svg: &mut String, axis: &Axis) {
        let mut y = TITLE;
        for group in &self.groups {
            if !group.heading.is_empty() {
                y += HEADING;
                put(svg, "h", (MARGIN, y - 7.0), &group.heading);
            }
            for row in &group.rows {
                put(svg, "", (MARGIN, y + 14.0), &row.label);
                put(svg, "s e", (WIDTH - MARGIN, y + 14.0), &self.values(row, " / "));
                row.marks.iter().for_each(|mark| self.draw(svg, axis, (mark, y + 25.0)));
                y += ROW;
            }
        }
    }

    fn draw(&self, svg: &mut String, axis: &Axis, (mark, y): (&Mark, f64)) {
        let [x, low, high] = [mark.range.value, mark.range.low, mark.range.high].map(|value| place(axis, value));
        let class = if mark.kind == Kind::P99 { "b" } else { "a" };
        if self.from_zero {
            let width = round(x - MARGIN);
            let _ =
                writeln!(svg, "<rect class=\"a\" x=\"{MARGIN}\" y=\"{}\" width=\"{width}\" height=\"9\"/>", y - 5.0);
            return;
        }
        let _ = writeln!(svg, "<path class=\"r {class}\" d=\"M{low} {y}H{high}\"/>");
        let _ = match mark.kind {
            Kind::P99 => writeln!(svg, "<path class=\"b\" d=\"M{x} {}l5 5 -5 5 -5 -5z\"/>", y - 5.0),
            _ => writeln!(svg, "<circle class=\"a\" cx=\"{x}\" cy=\"{y}\" r=\"4\"/>"),
        };
    }

    fn values(&self, row: &Row, between: &str) -> String {
        row.marks.iter().map(|mark| text(mark.range.value, self.unit)).collect::<Vec<_>>().join(between)
    }

    /// All of it in words.
    fn description(&self, caption: &str) -> String {
        let mut words = format!("{caption}.");
        for group in &self.groups {
            for row in &group.rows {
                let heading = if group.heading.is_empty() { String::new() } else { format!("{}, ", group.heading) };
                let _ = write!(words, " {heading}{}:", row.label);
                for (number, mark) in row.marks.iter().enumerate() {
                    let what = match mark.kind {
                        Kind::Value => "",
                        Kind::P50 => "half within ",
                        Kind::P99 => "99 % within ",
                    };
                    let [value, low, high] =
                        [mark.range.value, mark.range.low, mark.range.high].map(|value| text(value, self.unit));
                    let comma = if number > 0 { "," } else { "" };
                    let range = if low == high { String::new() } else { format!(" ({low} to {high})") };
                    let _ = write!(words, "{comma} {what}{value}{range}");
                }
                words.push('.');
            }
        }
        words
    }
}

/// From left to right.
fn place(axis: &Axis, value: f64) -> f64 {
    round(MARGIN + axis.share(value) * (WIDTH - 2.0 * MARGIN))
}

fn round(length: f64) -> f64 {
    (length * 10.0).round() / 10.0
}

fn put(svg: &mut String, class: &str, (x, y): (f64, f64), words: &str) {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    let _ = writeln!(svg, "<text{class} x=\"{x}\" y=\"{y}\">{}</text>", escaped(words));
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
