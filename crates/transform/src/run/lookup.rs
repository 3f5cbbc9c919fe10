//! The verb `lookup`.

use barid_hl7::{Path, Presence, error_code};

use super::each::Order;
use super::{Machine, Run};
use crate::compile::partner;
use crate::failure::Stop;
use crate::mapping::{Lookup, Miss, Step};
use crate::table::Row;

impl Machine<'_, '_> {
    pub(super) fn lookup(&mut self, step: &Step, lookup: &Lookup) -> Run {
        let from = lookup.from.resolve(&self.items);
        self.places(from, Order::FirstToLast, |machine, place| {
            if machine.asked(step, place)? { machine.look_up(lookup, place) } else { Ok(()) }
        })
    }

    fn look_up(&mut self, lookup: &Lookup, place: Path) -> Run {
        self.pay(&place, 0)?;
        let Some(value) = self.draft.get(&place).filter(|value| value.presence() == Presence::Valued) else {
            return Ok(());
        };
        let code = value.text();
        let row = lookup.table.get(&code);
        let target = lookup.into.map_or(place, |into| partner(into.resolve(&self.items), &place));
        match (row, &lookup.miss) {
            (Some(row), _) => {
                self.write(target, &row.to)?;
                self.describe(lookup, place, Some(row))
            }
            (None, Miss::Keep) if lookup.into.is_some() => {
                let code = code.into_owned();
                self.write(target, &code)
            }
            (None, Miss::Keep) => Ok(()),
            (None, Miss::Empty) => {
                self.write(target, "")?;
                self.describe(lookup, place, None)
            }
            (None, Miss::Default(default)) => {
                self.write(target, default)?;
                self.describe(lookup, place, None)
            }
            (None, Miss::Fail) => {
                Err(Stop::at(place, error_code::TABLE_VALUE, "the code is not in the table, and onMiss is `fail`")
                    .into())
            }
        }
    }

    /// Display and system belong to the code: where the row has none, the old ones must not stay.
    fn describe(&mut self, lookup: &Lookup, place: Path, row: Option<&Row>) -> Run {
        let texts = [
            (lookup.display, row.and_then(|row| row.display.as_deref())),
            (lookup.system, row.and_then(|row| row.system.as_deref())),
        ];
        for (address, text) in texts {
            let Some(address) = address else { continue };
            let target = partner(address.resolve(&self.items), &place);
            self.write(target, text.unwrap_or_default())?;
        }
        Ok(())
    }
}
