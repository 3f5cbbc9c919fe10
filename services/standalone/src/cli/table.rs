//! Aligned tables for people.
//!
//! Columns are as wide as what is seen: Arabic vowel marks and other combining characters take no room, East Asian characters take two. A cell that holds
//! right-to-left text is isolated (Unicode FSI, PDI), so that it cannot pull its neighbours to its other side.

use barid_runtime::Failure;

use super::out::{Out, clean};

/// Widest cell in columns; longer text is cut with `…`, `--json` has it whole.
const CELL_MAX: usize = 60;
/// Between two columns.
const GAP: &str = "  ";

/// How a column is aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
    /// Text in the last column, never cut.
    Free,
}

/// A table.
pub(super) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these columns.
    pub(super) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; missing cells are empty.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into_iter().map(|cell| clean(&cell)).collect());
    }

    /// Whether there is no row.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Prints it, each line after `indent`; columns without any content are left out.
    pub(super) fn print(&self, out: &mut Out, indent: &str) -> Result<(), Failure> {
        for line in self.lines(out.terminal()) {
            out.line(format!("{indent}{line}"))?;
        }
        Ok(())
    }

    fn lines(&self, isolate: bool) -> Vec<String> {
        let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
        let used: Vec<usize> =
            (0..self.columns.len()).filter(|c| self.rows.iter().any(|row| !cell(row, *c).is_empty())).collect();
        let mut lines = vec![String::new(); self.rows.len() + 1];
        for (place, column) in used.iter().enumerate() {
            let Some((title, align)) = self.columns.get(*column) else { continue };
            let last = place + 1 == used.len();
            let cells: Vec<String> = std::iter::once((*title).to_owned())
                .chain(
                    self.rows
                        .iter()
                        .map(|row| if *align == Align::Free { cell(row, *column) } else { cut(&cell(row, *column)) }),
                )
                .collect();
            let widest = cells.iter().map(|cell| width(cell)).max().unwrap_or(0);
            for (line, text) in lines.iter_mut().zip(cells) {
                let space = " ".repeat(widest.saturating_sub(width(&text)));
                let text = if isolate && is_right_to_left(&text) { format!("\u{2068}{text}\u{2069}") } else { text };
                match align {
                    Align::Right => line.extend([space.as_str(), text.as_str()]),
                    Align::Left | Align::Free => line.extend([text.as_str(), space.as_str()]),
                }
                if !last {
                    line.push_str(GAP);
                }
            }
        }
        lines.into_iter().map(|line| line.trim_end().to_owned()).collect()
    }
}

fn cut(text: &str) -> String {
    if width(text) <= CELL_MAX {
        return text.to_owned();
    }
    let mut taken = 0;
    let mut short: String = text
        .chars()
        .take_while(|c| {
            taken += char_width(*c);
            taken < CELL_MAX
        })
        .collect();
    short.push('…');
    short
}

/// Columns a text takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(c: char) -> usize {
    match u32::from(c) {
        // Combining marks: Latin, Arabic, Hebrew and others; joiners, direction marks, variation selectors.
        0x0300..=0x036f | 0x0483..=0x0489 | 0x0591..=0x05bd | 0x05bf | 0x05c1..=0x05c2 | 0x05c4..=0x05c5 | 0x05c7 => 0,
        0x0610..=0x061a | 0x061c | 0x064b..=0x065f | 0x0670 | 0x06d6..=0x06dd | 0x06df..=0x06e4 | 0x06e7..=0x06e8 => 0,
        0x06ea..=0x06ed | 0x08d3..=0x08ff | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x2069 | 0x20d0..=0x20ff => 0,
        0xfe00..=0xfe0f | 0xfe20..=0xfe2f | 0xfeff => 0,
        // East Asian wide and full width, pictographs.
        0x1100..=0x115f | 0x2e80..=0x303e | 0x3041..=0xa4cf | 0xa960..=0xa97f | 0xac00..=0xd7a3 | 0xf900..=0xfaff => 2,
        0xfe30..=0xfe6f
        | 0xff01..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

fn is_right_to_left(text: &str) -> bool {
    text.chars().any(|c| matches!(u32::from(c), 0x0590..=0x08ff | 0xfb1d..=0xfdff | 0xfe70..=0xfeff))
}
