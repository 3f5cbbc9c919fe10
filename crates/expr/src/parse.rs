//! Tokens into a syntax tree: CEL's grammar by recursive descent, with a bound on depth.
//!
//! Whoever writes a channel document must not be able to overflow the stack of the process that reads it, so nesting
//! is bounded here, and everything that walks the tree later relies on it. `&&` and `||` are kept as flat lists,
//! because long ones are honest work and not nesting.

use crate::error::ExprError;
use crate::lex::{Token, tokens};
use crate::syntax::{Expr, Kind, Name, Op, Span};

/// Levels of a syntax tree. People write 5; a generated chain of `+` may have 50; a level takes at most 2 KiB of stack.
const DEPTH_MAX: u16 = 100;

/// Reads an expression.
pub(crate) fn parse(source: &str) -> Result<Expr, ExprError> {
    let tokens = tokens(source)?;
    let mut parser = Parser { tokens, at: 0, depth: 0 };
    if parser.peek() == &Token::End {
        return Err(ExprError::at(0, "the expression is empty", "write for instance msg.type == 'ADT'"));
    }
    let expr = parser.expr()?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

struct Parser {
    tokens: Vec<(Token, Span)>,
    at: usize,
    depth: u16,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn span(&self) -> Span {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(Span::default(), |(_, span)| *span)
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(found) if *found == sign)
    }

    /// Passes over a sign, if it is next.
    fn eat(&mut self, sign: &str) -> Option<Span> {
        let span = self.span();
        self.is(sign).then(|| {
            self.at += 1;
            span
        })
    }

    fn expect(&mut self, sign: &str) -> Result<Span, ExprError> {
        self.eat(sign).ok_or_else(|| self.unexpected(&format!("`{sign}`")))
    }

    fn unexpected(&self, wanted: &str) -> ExprError {
        let found = match self.peek() {
            Token::End => "the end".to_owned(),
            Token::Name(name) => format!("`{name}`"),
            Token::Text(_) => "text in quotes".to_owned(),
            Token::Int(_) | Token::Double(_) => "a number".to_owned(),
            Token::Sign(sign) => format!("`{sign}`"),
        };
        let remedy = match self.peek() {
            Token::Name(name) if name.eq_ignore_ascii_case("and") => "write `&&` for and".to_owned(),
            Token::Name(name) if name.eq_ignore_ascii_case("or") => "write `||` for or".to_owned(),
            Token::Name(name) if name.eq_ignore_ascii_case("not") => "write `!` for not".to_owned(),
            _ => format!("write {wanted} here"),
        };
        ExprError::at(self.span().start(), format!("{found} is not expected here"), remedy)
    }

    fn node(&self, span: Span, kind: Kind) -> Result<Expr, ExprError> {
        let depth = 1 + deepest(&kind);
        if depth > DEPTH_MAX {
            return Err(too_deep(span));
        }
        Ok(Expr { span, kind, depth })
    }

    fn expr(&mut self) -> Result<Expr, ExprError> {
        self.depth += 1;
        // A level of the grammar takes about ten frames here, so brackets are counted apart from the tree's depth.
        if self.depth > DEPTH_MAX / 2 {
            return Err(too_deep(self.span()));
        }
        let condition = self.or()?;
        let expr = if self.eat("?").is_some() {
            let then = self.or()?;
            self.expect(":")?;
            let otherwise = self.expr()?;
            let span = condition.span.to(otherwise.span);
            self.node(span, Kind::Conditional(Box::new([condition, then, otherwise])))?
        } else {
            condition
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn or(&mut self) -> Result<Expr, ExprError> {
        self.flat("||", Self::and, Kind::Or)
    }

    fn and(&mut self) -> Result<Expr, ExprError> {
        self.flat("&&", Self::relation, Kind::And)
    }

    fn flat(
        &mut self,
        sign: &str,
        operand: fn(&mut Self) -> Result<Expr, ExprError>,
        kind: fn(Vec<Expr>) -> Kind,
    ) -> Result<Expr, ExprError> {
        let first = operand(self)?;
        if !self.is(sign) {
            return Ok(first);
        }
        let mut span = first.span;
        let mut operands = vec![first];
        while self.eat(sign).is_some() {
            let next = operand(self)?;
            span = span.to(next.span);
            operands.push(next);
        }
        self.node(span, kind(operands))
    }

    fn relation(&mut self) -> Result<Expr, ExprError> {
        self.binary(Self::sum, |token| match token {
            Token::Sign("==") => Some(Op::Equal),
            Token::Sign("!=") => Some(Op::NotEqual),
            Token::Sign("<") => Some(Op::Less),
            Token::Sign("<=") => Some(Op::LessEqual),
            Token::Sign(">") => Some(Op::Greater),
            Token::Sign(">=") => Some(Op::GreaterEqual),
            Token::Name(name) if name == "in" => Some(Op::In),
            _ => None,
        })
    }

    fn sum(&mut self) -> Result<Expr, ExprError> {
        self.binary(Self::product, |token| match token {
            Token::Sign("+") => Some(Op::Add),
            Token::Sign("-") => Some(Op::Subtract),
            _ => None,
        })
    }

    fn product(&mut self) -> Result<Expr, ExprError> {
        self.binary(Self::unary, |token| match token {
            Token::Sign("*") => Some(Op::Multiply),
            Token::Sign("/") => Some(Op::Divide),
            Token::Sign("%") => Some(Op::Remainder),
            _ => None,
        })
    }

    fn binary(
        &mut self,
        operand: fn(&mut Self) -> Result<Expr, ExprError>,
        op_of: fn(&Token) -> Option<Op>,
    ) -> Result<Expr, ExprError> {
        let mut left = operand(self)?;
        while let Some(op) = op_of(self.peek()) {
            self.at += 1;
            let right = operand(self)?;
            let span = left.span.to(right.span);
            left = self.node(span, Kind::Binary(op, Box::new(left), Box::new(right)))?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, ExprError> {
        for (sign, kind) in [("!", Kind::Not as fn(Box<Expr>) -> Kind), ("-", Kind::Negate)] {
            let Some(first) = self.eat(sign) else { continue };
            let mut odd = true;
            while self.eat(sign).is_some() {
                odd = !odd;
            }
            if sign == "-"
                && odd
                && let Token::Int(magnitude) = *self.peek()
            {
                return self.negative(first, magnitude);
            }
            let operand = self.member()?;
            let span = first.to(operand.span);
            // Pairs cancel out, as CEL has it.
            return if odd { self.node(span, kind(Box::new(operand))) } else { Ok(operand) };
        }
        self.member()
    }

    fn negative(&mut self, minus: Span, magnitude: u64) -> Result<Expr, ExprError> {
        let span = minus.to(self.span());
        self.at += 1;
        let value = 0_i64.checked_sub_unsigned(magnitude).ok_or_else(|| too_large(span))?;
        let literal = self.node(span, Kind::Int(value))?;
        self.members_of(literal)
    }

    fn member(&mut self) -> Result<Expr, ExprError> {
        let primary = self.primary()?;
        self.members_of(primary)
    }

    fn members_of(&mut self, mut of: Expr) -> Result<Expr, ExprError> {
        loop {
            if self.eat(".").is_some() {
                let name = self.name()?;
                if self.eat("(").is_some() {
                    let (args, end) = self.list(")")?;
                    let span = of.span.to(end);
                    of = self.node(span, Kind::Call(Some(Box::new(of)), name, args))?;
                } else {
                    let span = of.span.to(name.span);
                    of = self.node(span, Kind::Select(Box::new(of), name))?;
                }
            } else if self.eat("[").is_some() {
                let at = self.expr()?;
                let span = of.span.to(self.expect("]")?);
                of = self.node(span, Kind::Index(Box::new(of), Box::new(at)))?;
            } else {
                return Ok(of);
            }
        }
    }

    fn name(&mut self) -> Result<Name, ExprError> {
        let span = self.span();
        match self.peek().clone() {
            Token::Name(text) => {
                self.at += 1;
                Ok(Name { text, span })
            }
            _ => Err(self.unexpected("a name")),
        }
    }

    fn primary(&mut self) -> Result<Expr, ExprError> {
        let span = self.span();
        let token = self.peek().clone();
        let kind = match token {
            Token::Name(text) => return self.named(text, span),
            Token::Sign("(") => {
                self.at += 1;
                let mut inner = self.expr()?;
                inner.span = span.to(self.expect(")")?);
                return Ok(inner);
            }
            Token::Sign("[") => {
                self.at += 1;
                let (items, end) = self.list("]")?;
                return self.node(span.to(end), Kind::List(items));
            }
            Token::Sign("{") => return self.map(span),
            Token::Int(magnitude) => Kind::Int(i64::try_from(magnitude).map_err(|_| too_large(span))?),
            Token::Double(value) => Kind::Double(value),
            Token::Text(text) => Kind::Text(text),
            Token::Sign(_) | Token::End => return Err(self.unexpected("a value")),
        };
        self.at += 1;
        self.node(span, kind)
    }

    fn named(&mut self, text: String, span: Span) -> Result<Expr, ExprError> {
        if text == "in" || ["and", "or", "not"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
            return Err(self.unexpected("a value"));
        }
        self.at += 1;
        if self.eat("(").is_some() {
            let (args, end) = self.list(")")?;
            return self.node(span.to(end), Kind::Call(None, Name { text, span }, args));
        }
        let kind = match text.as_str() {
            "true" => Kind::Bool(true),
            "false" => Kind::Bool(false),
            "null" => Kind::Null,
            _ => Kind::Name(text),
        };
        self.node(span, kind)
    }

    /// Expressions up to a closing sign; a comma before it is tolerated in lists, as CEL has it.
    fn list(&mut self, close: &str) -> Result<(Vec<Expr>, Span), ExprError> {
        let mut items = Vec::new();
        loop {
            if let Some(end) = self.eat(close).filter(|_| items.is_empty() || close == "]") {
                return Ok((items, end));
            }
            items.push(self.expr()?);
            if let Some(end) = self.eat(close) {
                return Ok((items, end));
            }
            if self.eat(",").is_none() {
                return Err(self.unexpected(&format!("`,` or `{close}`")));
            }
        }
    }

    fn map(&mut self, open: Span) -> Result<Expr, ExprError> {
        self.at += 1;
        let mut entries = Vec::new();
        loop {
            if let Some(end) = self.eat("}") {
                return self.node(open.to(end), Kind::Map(entries));
            }
            let key = self.expr()?;
            self.expect(":")?;
            let value = self.expr()?;
            entries.push((key, value));
            if !self.is("}") {
                self.expect(",")?;
            }
        }
    }
}

fn too_deep(span: Span) -> ExprError {
    ExprError::at(span.start(), "the expression is nested too deeply", "split it into several steps or conditions")
}

fn too_large(span: Span) -> ExprError {
    ExprError::at(span.start(), "the number is out of range", "write one of 64 bits")
}

fn deepest(kind: &Kind) -> u16 {
    let of = |parts: &[Expr]| parts.iter().map(|part| part.depth).max().unwrap_or(0);
    match kind {
        Kind::Null | Kind::Bool(_) | Kind::Int(_) | Kind::Double(_) | Kind::Text(_) | Kind::Name(_) => 0,
        Kind::Select(of, _) | Kind::Not(of) | Kind::Negate(of) => of.depth,
        Kind::Index(a, b) | Kind::Binary(_, a, b) => a.depth.max(b.depth),
        Kind::Call(target, _, args) => of(args).max(target.as_ref().map_or(0, |target| target.depth)),
        Kind::List(parts) | Kind::And(parts) | Kind::Or(parts) => of(parts),
        Kind::Map(entries) => entries.iter().map(|(k, v)| k.depth.max(v.depth)).max().unwrap_or(0),
        Kind::Conditional(parts) => of(parts.as_slice()),
    }
}
