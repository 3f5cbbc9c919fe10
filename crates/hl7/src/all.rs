//! Everything a path with `[*]` names, one after another, without collecting it.

use crate::segment::{Segment, Source};
use crate::value::Value;
use crate::{Index, Path, SegmentId};

/// Each value with its concrete path: indexes that were `[*]` are numbers.
pub(crate) fn all<'a, S: Source>(source: &'a S, path: Path) -> impl Iterator<Item = (Path, Value<'a>)> + use<'a, S> {
    segments(source, path).flat_map(move |(occurrence, segment)| {
        let path = path.with_occurrence(occurrence);
        repetitions(segment, path)
    })
}

pub(crate) fn count<S: Source>(source: &S, path: Path) -> usize {
    if path.field().is_none() {
        return segments(source, path.with_occurrence(Index::All)).count();
    }
    if path.component().is_some() {
        return all(source, path).filter(|(_, value)| !value.is_empty()).count();
    }
    let path = path.with_repetition(Index::All);
    all(source, path).count()
}

fn segments<'a, S: Source>(source: &'a S, path: Path) -> impl Iterator<Item = (Index, Segment<'a>)> + use<'a, S> {
    let id = path.segment();
    let (mut at, mut seen) = match path.occurrence().number() {
        None => (Some(0), 0),
        Some(n) => (source.find(id, n), n - 1),
    };
    let each = path.occurrence() == Index::All;
    std::iter::from_fn(move || {
        let i = next_of(source, id, at?)?;
        seen += 1;
        at = each.then_some(i + 1);
        let occurrence = if each { Index::At(seen) } else { path.occurrence() };
        Some((occurrence, source.nth(i)?))
    })
}

fn next_of<S: Source>(source: &S, id: SegmentId, mut i: usize) -> Option<usize> {
    while source.id_of(i)? != id {
        i += 1;
    }
    Some(i)
}

fn repetitions<'a>(segment: Segment<'a>, path: Path) -> impl Iterator<Item = (Path, Value<'a>)> + use<'a> {
    let each = path.field().is_some() && path.repetition() == Index::All;
    let one = (!each).then(|| Some((path, segment.at(&path)?))).flatten();
    let field = path.field().filter(|_| each).and_then(|n| segment.field(n));
    let many = field.into_iter().flat_map(|value| value.parts()).zip(1u32..).filter_map(move |(value, n)| {
        let path = path.with_repetition(Index::At(n));
        Some((path, value.inside(&path)?))
    });
    one.into_iter().chain(many)
}
