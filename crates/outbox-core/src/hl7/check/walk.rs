//! One walk over the segments of a message: which segment this is, and what has been seen so far.

use std::collections::BTreeSet;

use memchr::memchr_iter;

use super::super::read::check_segment;
use super::super::{Field, Hl7Problem, Segment, SegmentEnds};
use super::finding::Findings;
use super::refusals::Content;
use super::rule::Rule;
use super::segment_names::{STANDARD, standard_index};
use super::shape::{Order, Shape};
use super::{CheckOptions, Profile, fields, header, malaffi, shape};

/// The highest field that a rule looks at, PV1-45, and one more.
const FIELDS_MAX: usize = 46;

/// A segment with its place among those of its name.
pub(super) struct Line<'a> {
    pub(super) segment: Segment<'a>,
    /// The name, when the standard has it.
    pub(super) name: Option<&'static str>,
    /// 1 for the first of its name.
    pub(super) nth: usize,
    /// Where each field begins, by its place behind the name, and how many there are: cut once, for several rules look at
    /// each segment, and a message can have very many.
    starts: [usize; FIELDS_MAX],
    count: usize,
}

impl<'a> Line<'a> {
    fn new(segment: Segment<'a>, name: Option<&'static str>, nth: usize) -> Self {
        let (mut starts, mut count) = ([0; FIELDS_MAX], 0);
        for (start, at) in starts.iter_mut().zip(memchr_iter(segment.delimiters.field, segment.bytes)) {
            *start = at + 1;
            count += 1;
        }
        Self { segment, name, nth, starts, count }
    }

    /// `PID`, `OBX[2]` or `#4`.
    pub(super) fn label(&self) -> String {
        match (self.name, self.nth) {
            (None, _) => format!("#{}", self.segment.ordinal()),
            (Some(name), 1) => name.to_owned(),
            (Some(name), nth) => format!("{name}[{nth}]"),
        }
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name == Some(name)
    }

    /// A field with all its repetitions; an absent one is empty. Not for MSH-1 and MSH-2.
    pub(super) fn field(&self, number: u16) -> Field<'a> {
        // MSH-1 is the separator itself.
        let index = usize::from(number).saturating_sub(if self.is("MSH") { 2 } else { 1 });
        let bytes = match self.starts[..self.count].get(index..) {
            Some([start, next, ..]) => &self.segment.bytes[*start..next - 1],
            // The last one of the segment, or of those that are looked at.
            Some([start]) => {
                let rest = &self.segment.bytes[*start..];
                &rest[..memchr::memchr(self.segment.delimiters.field, rest).unwrap_or(rest.len())]
            }
            _ => b"",
        };
        Field::new(bytes, self.segment.delimiters)
    }

    /// A component of the field's first repetition; an absent one is empty.
    pub(super) fn component(&self, field: u16, component: u16) -> &'a [u8] {
        self.field(field).first().component(component).unwrap_or_default().trim_ascii()
    }
}

/// What MSH says about the message.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    /// MSH-9.1 and MSH-9.2.
    pub(super) kind: (&'a [u8], &'a [u8]),
    /// MSH-12 is older than 2.7, or unreadable: the lengths and types of 2.5.1 hold.
    pub(super) is_before_2_7: bool,
}

/// The walk.
pub(super) struct Walk<'a> {
    is_ascii: bool,
    ends: SegmentEnds,
    profile: Profile,
    doctors: Option<BTreeSet<&'a [u8]>>,
    /// How often each of the standard's segments was seen.
    counts: [usize; STANDARD.len()],
    about: About<'a>,
    shape: Option<&'static Shape>,
    order: Order,
}

impl<'a> Walk<'a> {
    pub(super) fn new(content: &Content<'a>, options: &'a CheckOptions) -> Self {
        let ids = options.doctor_ids.as_ref().map(|ids| ids.iter().map(|id| id.trim().as_bytes()).collect());
        Self {
            is_ascii: content.is_ascii,
            ends: content.ends,
            profile: options.profile,
            doctors: ids,
            counts: [0; STANDARD.len()],
            about: About { kind: (b"", b""), is_before_2_7: true },
            shape: None,
            order: Order::default(),
        }
    }

    /// Looks at the next segment; false when a second message begins there.
    pub(super) fn step(&mut self, segment: &Segment<'a>, findings: &mut Findings) -> bool {
        match check_segment(segment) {
            Err(Hl7Problem::SeveralMessages { .. }) => return false,
            // Told already, and its fields mean nothing.
            Err(_) => return true,
            Ok(()) => {}
        }
        let index = standard_index(segment.name());
        let nth = index.map_or(1, |index| {
            self.counts[index] += 1;
            self.counts[index]
        });
        let line = Line::new(*segment, index.map(|index| STANDARD[index]), nth);
        if line.is("MSH") {
            self.about = header::about(&line);
            self.shape = shape::of(self.about.kind);
            header::check(&line, &self.about, self.is_ascii, findings);
            if self.profile == Profile::Malaffi {
                malaffi::check_header(&line, findings);
            }
        } else {
            self.check_segment(&line, findings);
        }
        true
    }

    fn check_segment(&mut self, line: &Line<'_>, findings: &mut Findings) {
        if line.name.is_none() && !line.segment.name().starts_with(b"Z") {
            findings.add(Rule::SegmentUnknown, line, ());
        }
        if let Some(shape) = self.shape {
            self.order.check(shape, line, findings);
        }
        fields::check(line, &self.about, self.ends, findings);
        if let Some(doctors) = &self.doctors {
            fields::check_doctors(line, doctors, findings);
        }
        if self.profile == Profile::Malaffi {
            malaffi::check_segment(line, &self.about, findings);
        }
    }

    /// What only the end of the message tells.
    pub(super) fn end(self, findings: &mut Findings) {
        let Some(shape) = self.shape else { return };
        for &(name, rule) in shape.required {
            if standard_index(name.as_bytes()).is_none_or(|index| self.counts[index] == 0) {
                findings.add_missing(rule, name);
            }
        }
    }
}
