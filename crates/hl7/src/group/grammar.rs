//! Message structures as text: `PID` one segment, `( NAME … )` a group, `?` optional, `*` optional and repeating, `+`
//! repeating. Any segment may repeat where it stands: what is too many is for validation to say.

use std::sync::LazyLock;

use crate::SegmentId;

/// Structures whose groups decide how a message is read; the elements of all versions together.
const KNOWN: &[(&str, &str)] = &[
    (
        "ORU_R01",
        "MSH SFT* UAC? ( PATIENT_RESULT ( PATIENT PID PD1? PRT* NTE* NK1* ROL* ( VISIT PV1 PV2? PRT* ROL* )? )? \
         ( ORDER_OBSERVATION ORC? OBR NTE* PRT* ROL* ( TIMING_QTY TQ1 TQ2* )* CTD? ( OBSERVATION OBX PRT* NTE* )* FT1* \
         CTI* ( SPECIMEN SPM OBX* )* )+ )+ DSC?",
    ),
    (
        "ORM_O01",
        "MSH NTE* ( PATIENT PID PD1? NTE* ( PATIENT_VISIT PV1 PV2? )? ( INSURANCE IN1 IN2? IN3? )* GT1? AL1* )? \
         ( ORDER ORC ( ORDER_DETAIL OBR? RQD? RQ1? RXO? ODS? ODT? NTE* CTD? DG1* ( OBSERVATION OBX NTE* )* )? FT1* CTI* \
         BLG? )+",
    ),
    (
        "OML_O21",
        "MSH SFT* NTE* ( PATIENT PID PD1? NTE* NK1* ( PATIENT_VISIT PV1 PV2? )? ( INSURANCE IN1 IN2? IN3? )* GT1? AL1* )? \
         ( ORDER ORC ( TIMING TQ1 TQ2* )* ( OBSERVATION_REQUEST OBR TCD? NTE* CTD? DG1* ( OBSERVATION OBX TCD? NTE* )* \
         ( SPECIMEN SPM OBX* ( CONTAINER SAC OBX* )* )* )? FT1* CTI* BLG? )+",
    ),
    (
        "ADT_A01",
        "MSH SFT* UAC? EVN PID PD1? ARV* ROL* NK1* PV1 PV2? ROL* ARV* DB1* OBX* AL1* DG1* DRG? ( PROCEDURE PR1 ROL* )* \
         GT1* ( INSURANCE IN1 IN2? IN3* ROL* )* ACC? UB1? UB2? PDA?",
    ),
    (
        "ADT_A05",
        "MSH SFT* UAC? EVN PID PD1? ARV* ROL* NK1* PV1 PV2? ROL* ARV* DB1* OBX* AL1* DG1* DRG? ( PROCEDURE PR1 ROL* )* \
         GT1* ( INSURANCE IN1 IN2? IN3* ROL* )* ACC? UB1? UB2?",
    ),
    ("ADT_A39", "MSH SFT* UAC? EVN ( PATIENT PID PD1? MRG PV1? )+"),
    ("ADT_A43", "MSH SFT* UAC? EVN ( PATIENT PID PD1? MRG )+"),
    (
        "MDM_T02",
        "MSH SFT* UAC? EVN PID PV1 ( COMMON_ORDER ORC? ( TIMING TQ1 TQ2* )* OBR NTE* )* TXA ( OBSERVATION OBX NTE* )+",
    ),
    (
        "SIU_S12",
        "MSH SCH TQ1* NTE* ( PATIENT PID PD1? PV1? PV2? OBX* DG1* )* ( RESOURCES RGS ( SERVICE AIS NTE* )* \
         ( GENERAL_RESOURCE AIG NTE* )* ( LOCATION_RESOURCE AIL NTE* )* ( PERSONNEL_RESOURCE AIP NTE* )* )+",
    ),
    (
        "VXU_V04",
        "MSH SFT* PID PD1? NK1* ( PATIENT PV1 PV2? )? GT1* ( INSURANCE IN1 IN2? IN3? )* ( ORDER ORC ( TIMING TQ1 TQ2* )* \
         RXA RXR? ( OBSERVATION OBX NTE* )* )*",
    ),
];

/// A group, or a whole structure.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) nodes: Vec<Node>,
    pub(super) repeats: bool,
    optional: bool,
}

/// An element of a group.
#[derive(Debug)]
pub(super) enum Node {
    Segment { id: SegmentId, optional: bool },
    Group(Group),
}

impl Node {
    pub(super) fn is(&self, wanted: SegmentId) -> bool {
        matches!(self, Self::Segment { id, .. } if *id == wanted)
    }

    /// Whether a segment can be the first of this element.
    pub(super) fn begins_with(&self, wanted: SegmentId) -> bool {
        match self {
            Self::Segment { id, .. } => *id == wanted,
            Self::Group(group) => group.begins_with(wanted),
        }
    }

    fn optional(&self) -> bool {
        match self {
            Self::Segment { optional, .. } => *optional,
            Self::Group(group) => group.optional,
        }
    }
}

impl Group {
    /// Whether a segment can be the first of this group.
    pub(super) fn begins_with(&self, wanted: SegmentId) -> bool {
        let first = self.required_first().unwrap_or(self.nodes.len());
        self.nodes.iter().take(first.saturating_add(1)).any(|node| node.begins_with(wanted))
    }

    /// The element that every repetition has first.
    pub(super) fn required_first(&self) -> Option<usize> {
        self.nodes.iter().position(|node| !node.optional())
    }

    /// Reads the elements up to the end, or to the group's closing parenthesis.
    fn read<'t>(name: &str, tokens: &mut impl Iterator<Item = &'t str>) -> Self {
        let mut group = Self { name: name.to_owned(), nodes: Vec::new(), repeats: false, optional: false };
        while let Some(token) = tokens.next() {
            if token == "(" {
                let name = tokens.next().unwrap_or_default();
                group.nodes.push(Node::Group(Self::read(name, tokens)));
                continue;
            }
            let optional = token.ends_with(['?', '*']);
            if token.starts_with(')') {
                group.optional = optional;
                group.repeats = token.ends_with(['*', '+']);
                return group;
            }
            let id = token.as_bytes().first_chunk::<3>().and_then(|id| SegmentId::new(*id));
            group.nodes.extend(id.map(|id| Node::Segment { id, optional }));
        }
        group
    }
}

/// The grammar of a structure.
pub(super) fn of(structure: &str) -> Option<&'static Group> {
    static GRAMMARS: LazyLock<Vec<Group>> =
        LazyLock::new(|| KNOWN.iter().map(|(name, text)| Group::read(name, &mut text.split_whitespace())).collect());
    GRAMMARS.iter().find(|group| group.name == structure)
}
