//! Makes a seccomp program that finds a call by halving, in a tree of comparisons.
//!
//! The kernel tries a new program on every call it knows, to remember those that are always allowed: a
//! chain of two hundred comparisons costs 0.21 ms for that, the tree 0.04 ms, and both are installed
//! once per job. What is allowed is `filter.rs`.

use std::collections::BTreeMap;

/// One instruction of the kernel's classic BPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    pub(crate) code: u16,
    /// Instructions skipped if a comparison holds.
    pub(crate) yes: u8,
    /// And if it does not.
    pub(crate) no: u8,
    pub(crate) value: u32,
}

/// What is answered to a call. Arguments are looked at in their lower half, which is all of them that the
/// kernel reads of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Allow,
    /// It fails with this error.
    Error(u32),
    /// Allowed with one of these values, else refused as unknown calls are.
    OneOf {
        argument: u8,
        values: &'static [u32],
    },
    /// Allowed unless it has one of these values.
    NoneOf {
        argument: u8,
        values: &'static [u32],
    },
    /// Allowed if none of these bits is set.
    NoBits {
        argument: u8,
        bits: u32,
    },
}

const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_AT_LEAST: u16 = 0x35;
const IF_BITS: u16 = 0x45;
const RETURN: u16 = 0x06;

/// `AUDIT_ARCH_X86_64`.
const X86_64: u32 = 0xc000_003e;
const KILL_PROCESS: u32 = 0x8000_0000;
const ALLOW: u32 = 0x7fff_0000;
const ERROR: u32 = 0x0005_0000;

/// The program that gives these answers, and `otherwise` (an error) to every other call.
pub(crate) fn program(calls: &BTreeMap<u32, Answer>, otherwise: Answer) -> Vec<Instruction> {
    // Where the answer changes, by the first call that has it.
    let mut ranges: Vec<(u32, Answer)> = vec![(0, otherwise)];
    let mut change = |call: u32, answer: Answer| match ranges.last_mut() {
        Some(last) if last.0 == call => last.1 = answer,
        Some(last) if last.1 == answer => {}
        _ => ranges.push((call, answer)),
    };
    let mut next = 0;
    for (call, answer) in calls {
        if *call != next {
            change(next, otherwise);
        }
        change(*call, *answer);
        next = call + 1;
    }
    change(next, otherwise);
    // The processor mode, then the call's number: `struct seccomp_data` has them at 4 and 0.
    let mut all = vec![
        step(LOAD, 4),
        Instruction { code: IF_EQUAL, yes: 1, no: 0, value: X86_64 },
        step(RETURN, KILL_PROCESS),
        step(LOAD, 0),
    ];
    all.extend(tree(&ranges, otherwise));
    all
}

fn step(code: u16, value: u32) -> Instruction {
    Instruction { code, yes: 0, no: 0, value }
}

fn tree(ranges: &[(u32, Answer)], otherwise: Answer) -> Vec<Instruction> {
    if let [(_, answer)] = ranges {
        return leaf(*answer, otherwise);
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let first = high.first().map_or(0, |(call, _)| *call);
    let (low, high) = (tree(low, otherwise), tree(high, otherwise));
    let mut all = match u8::try_from(low.len()) {
        Ok(length) => vec![Instruction { code: IF_AT_LEAST, yes: length, no: 0, value: first }],
        // Too far for a comparison's own jump.
        Err(_) => vec![
            Instruction { code: IF_AT_LEAST, yes: 0, no: 1, value: first },
            step(JUMP, low.len() as u32),
        ],
    };
    all.extend(low);
    all.extend(high);
    all
}

fn leaf(answer: Answer, otherwise: Answer) -> Vec<Instruction> {
    let allow = step(RETURN, ALLOW);
    let error = |errno: u32| step(RETURN, ERROR | errno);
    let refuse = match otherwise {
        Answer::Error(errno) => error(errno),
        _ => step(RETURN, KILL_PROCESS),
    };
    // The lower half of an argument: `struct seccomp_data` has them from 16 on.
    let load = |argument: u8| step(LOAD, 16 + 8 * u32::from(argument));
    let chain = |argument, values: &[u32], found, else_| {
        let mut all = vec![load(argument)];
        for (index, value) in values.iter().enumerate() {
            let yes = (values.len() - index) as u8;
            all.push(Instruction { code: IF_EQUAL, yes, no: 0, value: *value });
        }
        all.extend([else_, found]);
        all
    };
    match answer {
        Answer::Allow => vec![allow],
        Answer::Error(errno) => vec![error(errno)],
        Answer::OneOf { argument, values } => chain(argument, values, allow, refuse),
        Answer::NoneOf { argument, values } => chain(argument, values, refuse, allow),
        Answer::NoBits { argument, bits } => {
            let test = Instruction { code: IF_BITS, yes: 1, no: 0, value: bits };
            vec![load(argument), test, allow, refuse]
        }
    }
}

impl Instruction {
    /// As the kernel takes it.
    pub(crate) fn to_bytes(self) -> [u8; 8] {
        let ([a, b], [c, d, e, f]) = (self.code.to_le_bytes(), self.value.to_le_bytes());
        [a, b, self.yes, self.no, c, d, e, f]
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The mode that programs are made for.
    pub(crate) const MODE: u32 = X86_64;

    /// A call, as a filter sees it.
    pub(crate) struct Data {
        pub(crate) call: u32,
        pub(crate) mode: u32,
        pub(crate) arguments: [u32; 2],
    }

    impl Data {
        /// What a program answers.
        pub(crate) fn run(&self, program: &[Instruction]) -> u32 {
            let (mut at, mut loaded) = (0, 0);
            loop {
                let one = program[at];
                let jump = |holds: bool| usize::from(if holds { one.yes } else { one.no });
                at += 1 + match one.code {
                    LOAD => {
                        loaded = match one.value {
                            0 => self.call,
                            4 => self.mode,
                            place => self.arguments[(place as usize - 16) / 8],
                        };
                        0
                    }
                    JUMP => one.value as usize,
                    IF_EQUAL => jump(loaded == one.value),
                    IF_AT_LEAST => jump(loaded >= one.value),
                    0x25 => jump(loaded > one.value),
                    IF_BITS => jump(loaded & one.value != 0),
                    // And with a mask: `seccompiler` compares that way.
                    0x54 => {
                        loaded &= one.value;
                        0
                    }
                    RETURN => return one.value,
                    code => panic!("{code:#x} is not used here"),
                };
            }
        }
    }

    proptest! {
        #[test]
        fn every_call_gets_its_answer(calls in proptest::collection::btree_map(0u32..2000, 0u32..5, 0..900)) {
            let answers = [
                Answer::Allow,
                Answer::Error(38),
                Answer::OneOf { argument: 0, values: &[3, 9] },
                Answer::NoneOf { argument: 1, values: &[3, 9] },
                Answer::NoBits { argument: 0, bits: 6 },
            ];
            let calls = calls.into_iter().map(|(call, kind)| (call, answers[kind as usize])).collect();
            let made = program(&calls, Answer::Error(1));
            for call in (0..2010).chain([0x4000_0000, u32::MAX]) {
                for arguments in [[0, 0], [3, 9], [9, 1], [6, 3]] {
                    let allowed = |holds| if holds { ALLOW } else { ERROR | 1 };
                    let wanted = match calls.get(&call) {
                        Some(Answer::Allow) => ALLOW,
                        Some(Answer::Error(errno)) => ERROR | errno,
                        Some(Answer::OneOf { .. }) => allowed([3, 9].contains(&arguments[0])),
                        Some(Answer::NoneOf { .. }) => allowed(![3, 9].contains(&arguments[1])),
                        Some(Answer::NoBits { .. }) => allowed(arguments[0] & 6 == 0),
                        None => ERROR | 1,
                    };
                    let data = Data { call, mode: MODE, arguments };
                    prop_assert_eq!(data.run(&made), wanted, "{}", call);
                }
            }
        }
    }
}
