//! Which group each segment of a message belongs to: whose OBX, whose NTE.
//!
//! Placement is greedy, as receivers do it: a segment takes the next place in its structure that fits, and the segment
//! that begins a group opens a new repetition of it. What fits nowhere stays where it is, in the group at hand, and is
//! reported. Only structures whose groups matter for reading are known here; a full grammar of each version is for
//! `barid-validate`.

mod grammar;

use std::ops::Range;

use crate::{Message, SegmentId, structure};
use grammar::{Group, Node};

/// The groups of one message.
#[derive(Debug, Clone)]
pub struct Groups {
    instances: Vec<Instance>,
    /// The group of each segment.
    owners: Vec<usize>,
    misplaced: Vec<usize>,
}

/// One repetition of a group.
#[derive(Debug, Clone)]
struct Instance {
    name: String,
    repetition: u32,
    parent: Option<usize>,
    segments: Range<usize>,
}

/// A group that is open while segments are placed.
struct Frame<'g> {
    group: &'g Group,
    /// The element that the last segment took.
    at: usize,
    instance: usize,
}

impl Groups {
    /// Places the segments of a message by its structure; none if that has no groups here.
    pub fn of(message: &Message) -> Option<Self> {
        let (structure, _) = structure::of(message.header());
        let grammar = grammar::of(&structure)?;
        Some(Self::place_all(grammar, message))
    }

    fn place_all(grammar: &Group, message: &Message) -> Self {
        let root = Instance { name: grammar.name.clone(), repetition: 1, parent: None, segments: 0..0 };
        let mut groups = Self { instances: vec![root], owners: Vec::new(), misplaced: Vec::new() };
        let mut stack = vec![Frame { group: grammar, at: 0, instance: 0 }];
        for (i, segment) in message.segments().enumerate() {
            if !groups.place(&mut stack, segment.id(), i) {
                groups.misplaced.push(i);
            }
            groups.extend(&stack, i);
        }
        groups
    }

    /// The segments of the group that a segment belongs to, those of groups inside it included. Of a segment outside
    /// all groups the whole message.
    pub fn around(&self, segment: usize) -> Option<Range<usize>> {
        let owner = *self.owners.get(segment)?;
        self.instances.get(owner).map(|instance| instance.segments.clone())
    }

    /// Where a segment is, such as `PATIENT_RESULT[1]/ORDER_OBSERVATION[2]`; empty outside all groups.
    pub fn place_of(&self, segment: usize) -> String {
        let mut names = Vec::new();
        let mut at = self.owners.get(segment).copied();
        while let Some(instance) = at.and_then(|at| self.instances.get(at)) {
            if instance.parent.is_some() {
                names.push(format!("{}[{}]", instance.name, instance.repetition));
            }
            at = instance.parent;
        }
        names.reverse();
        names.join("/")
    }

    /// Segments that fit nowhere after the ones before them.
    pub fn misplaced(&self) -> &[usize] {
        &self.misplaced
    }

    /// Finds the place of a segment, from the innermost open group outwards; false if there is none.
    fn place<'g>(&mut self, stack: &mut Vec<Frame<'g>>, id: SegmentId, segment: usize) -> bool {
        for depth in (0..stack.len()).rev() {
            let Some(frame) = stack.get(depth) else { continue };
            let (group, at) = (frame.group, frame.at);
            let again = group.repeats && depth > 0 && group.begins_with(id);
            let anchor = again && group.required_first() == Some(at);
            if group.nodes.get(at).is_some_and(|node| node.is(id)) && !anchor {
                stack.truncate(depth + 1);
                return true;
            }
            let later = group.nodes.iter().enumerate().skip(at + 1).find(|(_, node)| node.begins_with(id));
            if let Some((found, node)) = later {
                stack.truncate(depth + 1);
                if let Some(frame) = stack.last_mut() {
                    frame.at = found;
                }
                self.enter(stack, node, id, segment);
                return true;
            }
            if again {
                stack.truncate(depth);
                self.open(stack, group, id, segment);
                return true;
            }
        }
        false
    }

    /// Goes into a group down to the segment's own element.
    fn enter<'g>(&mut self, stack: &mut Vec<Frame<'g>>, node: &'g Node, id: SegmentId, segment: usize) {
        if let Node::Group(group) = node {
            self.open(stack, group, id, segment);
        }
    }

    fn open<'g>(&mut self, stack: &mut Vec<Frame<'g>>, group: &'g Group, id: SegmentId, segment: usize) {
        let parent = stack.last().map(|frame| frame.instance);
        let same = |other: &&Instance| other.parent == parent && other.name == group.name;
        let before = self.instances.iter().rev().find(same).map_or(0, |instance| instance.repetition);
        let instance = self.instances.len();
        self.instances.push(Instance {
            name: group.name.clone(),
            repetition: before + 1,
            parent,
            segments: segment..segment,
        });
        let Some((at, node)) = group.nodes.iter().enumerate().find(|(_, node)| node.begins_with(id)) else { return };
        stack.push(Frame { group, at, instance });
        self.enter(stack, node, id, segment);
    }

    /// Notes a segment in its group and in all around it.
    fn extend(&mut self, stack: &[Frame<'_>], segment: usize) {
        self.owners.push(stack.last().map_or(0, |frame| frame.instance));
        for frame in stack {
            if let Some(instance) = self.instances.get_mut(frame.instance) {
                instance.segments.end = segment + 1;
            }
        }
    }
}

#[cfg(test)]
mod tests;
