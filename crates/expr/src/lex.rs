//! Source text into tokens, with CEL's literals. Each token knows its bytes, so that an error can point at it.

mod literal;

use crate::error::ExprError;
use crate::syntax::Span;

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    Name(String),
    /// Its magnitude; a minus in front is the parser's.
    Int(u64),
    Double(f64),
    Text(String),
    /// An operator or bracket.
    Sign(&'static str),
    End,
}

/// Operators and brackets, longer ones first.
const SIGNS: [&str; 25] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ".", ",", "(", ")", "[", "]",
    "{", "}", "=",
];

/// All tokens, the last one being [`Token::End`].
pub(crate) fn tokens(source: &str) -> Result<Vec<(Token, Span)>, ExprError> {
    let mut lexer = Lexer { source, at: 0 };
    let mut tokens = Vec::with_capacity(source.len() / 4 + 1);
    loop {
        lexer.skip_blanks();
        let start = lexer.at;
        let token = lexer.token()?;
        let end = token == Token::End;
        tokens.push((token, Span::of(start, lexer.at)));
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let text = rest.trim_start();
            self.at += rest.len() - text.len();
            if !text.starts_with("//") {
                return;
            }
            self.at += text.find('\n').unwrap_or(text.len());
        }
    }

    fn token(&mut self) -> Result<Token, ExprError> {
        let Some(first) = self.peek() else { return Ok(Token::End) };
        if let Some(token) = self.text()? {
            return Ok(token);
        }
        if first.is_ascii_alphabetic() || first == '_' {
            return Ok(self.name());
        }
        let after = self.rest().as_bytes().get(1).copied().unwrap_or(0);
        if first.is_ascii_digit() || (first == '.' && after.is_ascii_digit()) {
            return self.number();
        }
        self.sign(first)
    }

    fn name(&mut self) -> Token {
        let rest = self.rest();
        let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        self.at += length;
        Token::Name(rest.get(..length).unwrap_or_default().to_owned())
    }

    fn sign(&mut self, first: char) -> Result<Token, ExprError> {
        let error = |remedy: &str| Err(ExprError::at(self.at, format!("`{first}` means nothing here"), remedy));
        let Some(sign) = SIGNS.iter().find(|sign| self.rest().starts_with(**sign)) else {
            return match first {
                '&' => error("write `&&` for and"),
                '|' => error("write `||` for or"),
                '’' | '‘' | '“' | '”' | '«' | '»' => error("put text in straight quotes, as in 'A01'"),
                _ => error("put text in quotes, as in 'A01'"),
            };
        };
        if *sign == "=" {
            return error("write `==` to compare");
        }
        self.at += sign.len();
        Ok(Token::Sign(sign))
    }

    fn number(&mut self) -> Result<Token, ExprError> {
        let start = self.at;
        let rest = self.rest();
        let digits = |from: usize| rest.bytes().skip(from).take_while(u8::is_ascii_digit).count();
        if rest.starts_with("0x") {
            let length = rest.bytes().skip(2).take_while(u8::is_ascii_hexdigit).count();
            self.at += 2 + length;
            let value = rest.get(2..2 + length).and_then(|text| u64::from_str_radix(text, 16).ok());
            return self.end_of_number(start, value.map(Token::Int));
        }
        let mut length = digits(0);
        let mut double = false;
        let byte = |at: usize| rest.as_bytes().get(at).copied().unwrap_or(0);
        if byte(length) == b'.' && byte(length + 1).is_ascii_digit() {
            double = true;
            length += 1 + digits(length + 1);
        }
        if matches!(byte(length), b'e' | b'E') {
            let sign = usize::from(matches!(byte(length + 1), b'+' | b'-'));
            let exponent = digits(length + 1 + sign);
            if exponent > 0 {
                double = true;
                length += 1 + sign + exponent;
            }
        }
        self.at += length;
        let text = rest.get(..length).unwrap_or_default();
        let token = if double {
            text.parse().ok().filter(|value: &f64| value.is_finite()).map(Token::Double)
        } else {
            text.parse().ok().map(Token::Int)
        };
        self.end_of_number(start, token)
    }

    fn end_of_number(&mut self, start: usize, token: Option<Token>) -> Result<Token, ExprError> {
        match self.peek() {
            Some('u' | 'U') => Err(ExprError::at(self.at, "there are no unsigned numbers here", "remove the `u`")),
            Some(c) if c.is_ascii_alphanumeric() || c == '_' => {
                Err(ExprError::at(self.at, format!("`{c}` follows a number"), "put text in quotes, as in 'A01'"))
            }
            _ => token.ok_or_else(|| ExprError::at(start, "the number is out of range", "write one of 64 bits")),
        }
    }
}
