//! A serde deserializer over the tree. It knows the place of each node, so that every error gets one.

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};

use super::fault::{Fault, expected};
use crate::yaml::{Entry, Node, Scalar, Step, Value, plain};

type Result<T> = std::result::Result<T, Fault>;

/// Reads one node.
#[derive(Clone, Copy)]
pub(crate) struct NodeReader<'a>(pub &'a Node);

/// A plain scalar that is not certainly text, where text is meant.
fn not_text(text: &str, meaning: &str) -> Fault {
    Fault::new(
        format!("`{text}` without quotes is {meaning} to some readers of YAML"),
        format!("where text is meant, write \"{text}\""),
    )
}

fn no_value() -> Fault {
    Fault::new("there is no value here", "give it a value, or remove the field")
}

/// The text of a scalar where text is meant.
fn text_of(text: &str, is_plain: bool) -> Result<&str> {
    if !is_plain {
        return Ok(text);
    }
    match plain(text) {
        Scalar::Text(text) => Ok(text),
        Scalar::Null if text.is_empty() => Err(no_value()),
        Scalar::Null => Err(not_text(text, "nothing")),
        Scalar::Bool(_) => Err(not_text(text, "true or false")),
        Scalar::Int(_) | Scalar::Float(_) => Err(not_text(text, "a number")),
        Scalar::Ambiguous(meaning) => Err(not_text(text, meaning)),
    }
}

impl<'a> NodeReader<'a> {
    fn wrong<T>(self, visitor: &dyn serde::de::Expected) -> Result<T> {
        let node = self.0;
        Err(match &node.value {
            _ if node.is_null() => no_value(),
            Value::Scalar { text, .. } => Fault::invalid_type(Unexpected::Str(text), visitor),
            Value::List(_) => Fault::invalid_type(Unexpected::Seq, visitor),
            Value::Map(_) => Fault::invalid_type(Unexpected::Map, visitor),
        })
    }

    /// A number where one is meant; a quoted one or one in an odd notation is refused.
    fn number<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        let wanted = expected_by(&visitor);
        let Value::Scalar { text, plain: is_plain } = &self.0.value else { return self.wrong(&visitor) };
        if !is_plain {
            let text = format!("the text \"{text}\" stands where {wanted} is meant");
            return Err(Fault::new(text, "remove the quotes"));
        }
        match plain(text) {
            Scalar::Int(value) => int(value, visitor),
            Scalar::Float(value) => visitor.visit_f64(value),
            Scalar::Null => Err(no_value()),
            Scalar::Ambiguous("a number" | "a number to the base of sixty") => Err(Fault::new(
                format!("`{text}` is a different number to different readers of YAML"),
                format!("write {wanted} in plain decimal digits"),
            )),
            _ => self.wrong(&visitor),
        }
    }

    fn any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        match &self.0.value {
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
            Value::Scalar { text, plain: false } => visitor.visit_borrowed_str(text),
            Value::Scalar { text, plain: true } => match plain(text) {
                Scalar::Bool(value) => visitor.visit_bool(value),
                Scalar::Int(value) => int(value, visitor),
                Scalar::Float(value) => visitor.visit_f64(value),
                _ => visitor.visit_borrowed_str(text_of(text, true)?),
            },
        }
    }

    fn located<T>(self, result: Result<T>) -> Result<T> {
        result.map_err(|fault| fault.at(self.0.at))
    }
}

fn expected_by<'a, V: Visitor<'a>>(visitor: &V) -> String {
    let wanted: &dyn serde::de::Expected = visitor;
    expected(&wanted.to_string())
}

fn int<'a, V: Visitor<'a>>(value: i128, visitor: V) -> Result<V::Value> {
    if let Ok(value) = u64::try_from(value) {
        visitor.visit_u64(value)
    } else if let Ok(value) = i64::try_from(value) {
        visitor.visit_i64(value)
    } else {
        let wanted = expected_by(&visitor);
        Err(Fault::new(format!("`{value}` is too large"), format!("write {wanted}")))
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
            self.located(self.number(visitor))
        })*
    };
}

impl<'a> Deserializer<'a> for NodeReader<'a> {
    type Error = Fault;

    numbers!(
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
    );

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        self.located(self.any(visitor))
    }

    fn deserialize_bool<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        let result = match &self.0.value {
            Value::Scalar { text, plain: true } => match plain(text) {
                Scalar::Bool(value) => visitor.visit_bool(value),
                Scalar::Ambiguous("true or false") => {
                    let remedy = "write true or false in lower case";
                    Err(Fault::new(format!("`{text}` is true or false to some readers of YAML only"), remedy))
                }
                _ => self.wrong(&visitor),
            },
            _ => self.wrong(&visitor),
        };
        self.located(result)
    }

    fn deserialize_str<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        let result = match &self.0.value {
            Value::Scalar { text, plain } => text_of(text, *plain).and_then(|text| visitor.visit_borrowed_str(text)),
            _ => self.wrong(&visitor),
        };
        self.located(result)
    }

    fn deserialize_string<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        if self.0.is_null() {
            return self.located(Err(no_value()));
        }
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        self.located(self.wrong(&visitor))
    }

    fn deserialize_unit_struct<V: Visitor<'a>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        let result = match &self.0.value {
            Value::List(items) => visitor.visit_seq(Items { items, next: 0 }),
            _ => self.wrong(&visitor),
        };
        self.located(result)
    }

    fn deserialize_tuple<V: Visitor<'a>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'a>>(self, _: &'static str, _: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        let result = match &self.0.value {
            Value::Map(entries) => visitor.visit_map(Fields { entries: entries.iter(), value: None, free: true }),
            _ => self.wrong(&visitor),
        };
        self.located(result)
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let result = match &self.0.value {
            Value::Map(entries) => visitor.visit_map(Fields { entries: entries.iter(), value: None, free: false }),
            _ => self.wrong(&visitor),
        };
        self.located(result)
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let result = match &self.0.value {
            // A word that some reader takes for something else is certainly none of ours: say which ours are.
            Value::Scalar { text, plain: true } if !text.is_empty() => visitor.visit_enum(Word(text)),
            Value::Scalar { text, plain: false } => visitor.visit_enum(Word(text)),
            _ => {
                let words = known.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
                Err(Fault::new(
                    format!("{} stands where one word is meant", self.0.what()),
                    format!("write one of {words}"),
                ))
            }
        };
        self.located(result)
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }
}

struct Items<'a> {
    items: &'a [Node],
    next: usize,
}

impl<'a> SeqAccess<'a> for Items<'a> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        while let Some(item) = self.items.get(self.next) {
            let index = self.next;
            self.next += 1;
            if !item.skip {
                return seed
                    .deserialize(NodeReader(item))
                    .map(Some)
                    .map_err(|fault| fault.at(item.at).under(Step::Index(index)));
            }
        }
        Ok(None)
    }
}

struct Fields<'a> {
    entries: std::slice::Iter<'a, Entry>,
    value: Option<&'a Entry>,
    /// Whether the keys are the writer's own text and not the names of fields.
    free: bool,
}

impl<'a> MapAccess<'a> for Fields<'a> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some(entry) = self.entries.find(|entry| !entry.value.skip) else { return Ok(None) };
        self.value = Some(entry);
        let key = if self.free { text_of(&entry.key, entry.plain) } else { Ok(&*entry.key) };
        key.and_then(|key| seed.deserialize(StrDeserializer::<Fault>::new(key)))
            .map(Some)
            .map_err(|fault| fault.at(entry.at).under(Step::Key(entry.key.to_string())))
    }

    fn next_value_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Result<T::Value> {
        let Some(entry) = self.value.take() else { return Err(no_value()) };
        seed.deserialize(NodeReader(&entry.value)).map_err(|fault| {
            // An empty value has no place of its own: its key is pointed at.
            let fault = if entry.value.is_null() { Fault { at: Some(entry.at), ..fault } } else { fault };
            fault.at(entry.value.at).under(Step::Key(entry.key.to_string()))
        })
    }
}

/// A word of a closed list.
struct Word<'a>(&'a str);

impl<'a> EnumAccess<'a> for Word<'a> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'a>>(self, seed: V) -> Result<(V::Value, Self)> {
        let word = seed.deserialize(StrDeserializer::<Fault>::new(self.0))?;
        Ok((word, self))
    }
}

impl<'a> VariantAccess<'a> for Word<'a> {
    type Error = Fault;

    fn unit_variant(self) -> Result<()> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, _: T) -> Result<T::Value> {
        Err(Fault::new(format!("`{}` needs fields", self.0), "write it as an object"))
    }

    fn tuple_variant<V: Visitor<'a>>(self, _: usize, _: V) -> Result<V::Value> {
        Err(Fault::new(format!("`{}` needs fields", self.0), "write it as an object"))
    }

    fn struct_variant<V: Visitor<'a>>(self, _: &'static [&'static str], _: V) -> Result<V::Value> {
        Err(Fault::new(format!("`{}` needs fields", self.0), "write it as an object"))
    }
}
