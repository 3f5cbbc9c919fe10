//! Text literals: single and double quotes, triple ones, raw ones (`r'\d'`), and CEL's escapes.

use super::{Lexer, Token};
use crate::error::ExprError;

impl Lexer<'_> {
    /// A text literal, if one begins here.
    pub(super) fn text(&mut self) -> Result<Option<Token>, ExprError> {
        let rest = self.rest();
        let prefix: String = rest.chars().take_while(|c| matches!(c, 'r' | 'R' | 'b' | 'B')).take(2).collect();
        let raw = prefix.contains(['r', 'R']);
        let body = rest.get(prefix.len()..).unwrap_or_default();
        let Some(quote) = ["'''", "\"\"\"", "'", "\""].into_iter().find(|quote| body.starts_with(quote)) else {
            return Ok(None);
        };
        if prefix.contains(['b', 'B']) {
            return Err(ExprError::at(self.at, "there are no bytes here", "remove the `b`: text in quotes is meant"));
        }
        let start = self.at;
        self.at += prefix.len() + quote.len();
        let mut text = String::new();
        loop {
            let rest = self.rest();
            if rest.starts_with(quote) {
                self.at += quote.len();
                return Ok(Some(Token::Text(text)));
            }
            match self.peek() {
                None => return Err(open(start, quote)),
                Some('\n' | '\r') if quote.len() == 1 => return Err(open(start, quote)),
                Some('\\') if !raw => text.push(self.escape()?),
                Some(_) => self.push(&mut text),
            }
        }
    }

    fn push(&mut self, text: &mut String) {
        if let Some(c) = self.peek() {
            self.at += c.len_utf8();
            text.push(c);
        }
    }

    fn escape(&mut self) -> Result<char, ExprError> {
        let at = self.at;
        let rest = self.rest();
        let letter = rest.chars().nth(1).unwrap_or('\0');
        let simple = match letter {
            'a' => Some('\u{7}'),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            '\\' | '?' | '"' | '\'' | '`' => Some(letter),
            _ => None,
        };
        if let Some(c) = simple {
            self.at += 1 + letter.len_utf8();
            return Ok(c);
        }
        let (skip, digits, radix) = match letter {
            'x' | 'X' => (2, 2, 16),
            'u' => (2, 4, 16),
            'U' => (2, 8, 16),
            '0'..='3' => (1, 3, 8),
            _ => return Err(unknown(at)),
        };
        let text = rest.get(skip..skip + digits).filter(|text| text.chars().all(|c| c.is_digit(radix)));
        let c = text.and_then(|text| u32::from_str_radix(text, radix).ok()).and_then(char::from_u32);
        self.at += skip + digits;
        c.ok_or_else(|| unknown(at))
    }
}

fn open(start: usize, quote: &str) -> ExprError {
    ExprError::at(start, "the text has no end", format!("close it with {quote}"))
}

fn unknown(at: usize) -> ExprError {
    ExprError::at(
        at,
        "this escape is not known",
        "write `\\\\` for a backslash, or put r in front of the quotes: r'\\d+'",
    )
}
