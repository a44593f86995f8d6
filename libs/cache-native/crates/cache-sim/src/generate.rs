//! Traces that are made, of many kinds: the same kind and seed give the same requests on every
//! machine. The seed also draws the parameters, so that two seeds are two workloads of a kind.

#![allow(clippy::cast_precision_loss, reason = "numbers of pages and requests are below 2^53")]

use crate::random::{Random, mix};

/// What a made trace looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Independent requests, few pages far more often than many.
    Zipf,
    /// As zipf, and which pages are popular changes all the time.
    Drift,
    /// Popular pages, between them long runs over pages that are never asked for again.
    Scan,
    /// Runs over the same pages in the same order again and again.
    Loop,
    /// Phases of popular pages, of loops and of runs.
    Mixed,
    /// Four workloads at once, each in a part of its own.
    Tenants,
    /// A window of pages in use that moves on: what was used last is used next.
    Shift,
    /// Several requests for a page in a short time, then none for long.
    Bursts,
    /// Files read from one end to the other, some far more often than others.
    Files,
    /// An index and its leaves, with an append-only log and reports that read everything.
    Database,
    /// The gap between two uses of a page has a long tail.
    Recency,
    /// A morning in which many machines read the same pages, and a day in which each reads its own.
    Machines,
}

/// All kinds with their names.
pub const KINDS: [(&str, Kind); 12] = [
    ("zipf", Kind::Zipf),
    ("drift", Kind::Drift),
    ("scan", Kind::Scan),
    ("loop", Kind::Loop),
    ("mixed", Kind::Mixed),
    ("tenants", Kind::Tenants),
    ("shift", Kind::Shift),
    ("bursts", Kind::Bursts),
    ("files", Kind::Files),
    ("database", Kind::Database),
    ("recency", Kind::Recency),
    ("machines", Kind::Machines),
];

/// The page numbers of `requests` requests of `kind`.
#[must_use]
pub fn generate(kind: Kind, seed: u64, requests: usize) -> Vec<u64> {
    let mut random = Random::new(mix(seed) ^ kind as u64);
    let mut source = source_of(kind, &mut random, requests as u64);
    (0..requests as u64).map(|now| source(&mut random, now)).collect()
}

type Source = Box<dyn FnMut(&mut Random, u64) -> u64>;

fn source_of(kind: Kind, random: &mut Random, requests: u64) -> Source {
    let pages = (requests / (6 + random.below(10))).max(PAGES_MIN);
    match kind {
        Kind::Zipf => zipf(random, pages, 0),
        Kind::Drift => drift(random, pages),
        Kind::Scan => scan(random, pages),
        Kind::Loop => loops(random, pages, 0),
        Kind::Mixed => mixed(random, pages, requests),
        Kind::Tenants => tenants(random, pages),
        Kind::Shift => shift(random, pages, 0),
        Kind::Bursts => bursts(random, pages),
        Kind::Files => files(random, pages, 0),
        Kind::Database => database(random, pages),
        Kind::Recency => recency(random),
        Kind::Machines => machines(random, pages),
    }
}

/// A trace has about so many pages at least.
const PAGES_MIN: u64 = 64;
/// Where pages lie that no other part of a trace uses.
const FAR: u64 = 1 << 32;

/// Ranks from 0 whose probability falls with the power `skew`.
struct Zipf {
    sums: Vec<f64>,
}

impl Zipf {
    fn new(ranks: u64, skew: f64) -> Self {
        let mut sum = 0.0;
        let next = |rank: u64| {
            sum += (rank as f64 + 1.0).powf(-skew);
            sum
        };
        Self { sums: (0..ranks.max(1)).map(next).collect() }
    }

    fn rank(&self, random: &mut Random) -> usize {
        let all = self.sums.last().copied().unwrap_or(1.0);
        let point = random.unit() * all;
        self.sums.partition_point(|sum| *sum <= point).min(self.sums.len() - 1)
    }
}

/// Popular pages lie together in places of 16, as they do on disks, and the places are strewn.
fn strewn(pages: u64, random: &mut Random) -> Vec<u64> {
    let mut places: Vec<u64> = (0..pages.div_ceil(16)).collect();
    shuffle(&mut places, random);
    places.iter().flat_map(|place| (0..16).map(move |page| place * 16 + page)).collect()
}

fn shuffle(pages: &mut [u64], random: &mut Random) {
    for end in (1..pages.len()).rev() {
        pages.swap(end, at(random.below(end as u64 + 1)));
    }
}

fn zipf(random: &mut Random, pages: u64, base: u64) -> Source {
    let ranks = Zipf::new(pages, 0.7 + 0.5 * random.unit());
    let mut order: Vec<u64> = (0..pages.max(1)).collect();
    shuffle(&mut order, random);
    Box::new(move |random, _| base + order[ranks.rank(random)])
}

fn drift(random: &mut Random, pages: u64) -> Source {
    let ranks = Zipf::new(pages, 0.8 + 0.4 * random.unit());
    let mut order = strewn(pages, random);
    let period = 4 + random.below(60);
    Box::new(move |random, now| {
        if now % period == 0 {
            let (popular, other) = (ranks.rank(random), at(random.below(pages)));
            order.swap(popular, other);
        }
        order[ranks.rank(random)]
    })
}

fn scan(random: &mut Random, pages: u64) -> Source {
    let mut popular = zipf(random, pages / 2, 0);
    let (mut next, mut left) = (FAR, 0);
    let length_max = 64 << random.below(6);
    let chance = 0.05 + 0.4 * random.unit();
    Box::new(move |random, now| {
        if left > 0 && random.unit() < 0.8 {
            left -= 1;
            next += 1;
            return next;
        }
        if left == 0 && random.unit() * length_max as f64 <= chance {
            left = 1 + random.below(length_max * 2);
            next += 1000;
        }
        popular(random, now)
    })
}

fn loops(random: &mut Random, pages: u64, base: u64) -> Source {
    let count = at(1 + random.below(4));
    let mut rings: Vec<(u64, u64, u64)> = Vec::new();
    let mut start = base;
    for _ in 0..count {
        let length = 1 + pages / 20 + random.below(pages / 2 + 1);
        rings.push((start, length, 0));
        start += length + 64;
    }
    let (mut ring, mut left) = (0, 0);
    Box::new(move |random, _| {
        if left == 0 {
            ring = at(random.below(count as u64));
            left = 1 + random.below(256);
        }
        left -= 1;
        let (start, length, place) = &mut rings[ring];
        *place = (*place + 1) % *length;
        *start + *place
    })
}

fn mixed(random: &mut Random, pages: u64, requests: u64) -> Source {
    let mut phases = [zipf(random, pages / 2, 0), loops(random, pages / 3, FAR), {
        let mut next = 2 * FAR;
        Box::new(move |_: &mut Random, _| {
            next += 1;
            next
        })
    }];
    let length = requests / (12 + random.below(20));
    let shift = random.below(3);
    Box::new(move |random, now| {
        let turn = now / length;
        // A run over new pages is shorter than the other phases.
        let phase = match (turn + shift) % 5 {
            0 | 3 => 0,
            1 | 4 => 1,
            _ if now % length < length / 4 => 2,
            _ => 0,
        };
        phases[phase](random, now)
    })
}

fn tenants(random: &mut Random, pages: u64) -> Source {
    let mut log = 4 * FAR;
    let mut parts: [Source; 4] = [
        zipf(random, pages / 3, 0),
        loops(random, pages / 4, FAR),
        shift(random, pages / 4, 2 * FAR),
        Box::new(move |_, _| {
            log += 1;
            log
        }),
    ];
    let weights: Vec<f64> = [0.5, 0.3, 0.3, 0.1].map(|part| part * random.unit()).to_vec();
    let (mut part, mut left) = (0, 0);
    Box::new(move |random, now| {
        if left == 0 {
            let mut point = random.unit() * weights.iter().sum::<f64>();
            part = 0;
            while part < 3 && point >= weights[part] {
                point -= weights[part];
                part += 1;
            }
            left = 1 + random.below(32);
        }
        left -= 1;
        parts[part](random, now)
    })
}

fn shift(random: &mut Random, pages: u64, base: u64) -> Source {
    let window = pages / 40 + random.below(pages / 8);
    let uses = 6 + random.below(24);
    Box::new(move |random, now| {
        let back = random.unit() * random.unit();
        #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "below window")]
        let back = (back * window as f64) as u64;
        base + window + now / uses - back
    })
}

fn bursts(random: &mut Random, pages: u64) -> Source {
    let ranks = Zipf::new(pages, 0.3 + 0.5 * random.unit());
    let mut active: Vec<(u64, u64)> = Vec::new();
    let width = at(20 + random.below(400));
    let length = 2 + random.below(6);
    Box::new(move |random, _| {
        while active.len() < width {
            let page = mix(ranks.rank(random) as u64) % (4 * pages);
            active.push((page, 1 + random.below(length)));
        }
        let chosen = at(random.below(width as u64));
        let (page, left) = active[chosen];
        if left == 1 {
            active.swap_remove(chosen);
        } else {
            active[chosen].1 -= 1;
        }
        page
    })
}

fn files(random: &mut Random, pages: u64, base: u64) -> Source {
    let mean = 4 << random.below(7);
    let count = (pages / mean).max(8);
    let ranks = Zipf::new(count, 0.6 + 0.5 * random.unit());
    let mut starts: Vec<(u64, u64)> = Vec::new();
    let mut next = base;
    for _ in 0..count {
        let length = 1 + random.below(2 * mean);
        starts.push((next, length));
        next += length;
    }
    let mut order: Vec<u64> = (0..count).collect();
    shuffle(&mut order, random);
    let (mut page, mut left) = (0, 0);
    Box::new(move |random, _| {
        if left == 0 {
            let (start, length) = starts[at(order[ranks.rank(random)])];
            let skipped = if random.unit() < 0.7 { 0 } else { random.below(length) };
            (page, left) = (start + skipped, length - skipped);
        }
        (page, left) = (page + 1, left - 1);
        page - 1
    })
}

fn database(random: &mut Random, pages: u64) -> Source {
    let leaves = Zipf::new(pages, 0.6 + 0.5 * random.unit());
    let order = strewn(pages, random);
    let fanout = 40 + random.below(160);
    let (mut log, mut report, mut step) = (FAR * 2, 0, 0);
    let (mut leaf, mut reporting) = (0, 0);
    let report_chance = random.unit() / 40_000.0;
    Box::new(move |random, _| {
        if reporting > 0 && random.unit() < 0.5 {
            reporting -= 1;
            report = (report + 1) % pages;
            return report;
        }
        if reporting == 0 && random.unit() < report_chance {
            reporting = pages / 2;
        }
        step = (step + 1) % 4;
        match step {
            1 => {
                leaf = order[leaves.rank(random)];
                FAR + leaf / fanout / fanout
            }
            2 => FAR + 10_000 + leaf / fanout,
            3 => leaf,
            _ => {
                // One transaction in three is a change, which is logged.
                log += u64::from(random.unit() < 0.3);
                if random.unit() < 0.3 { log } else { leaf ^ 1 }
            }
        }
    })
}

fn recency(random: &mut Random) -> Source {
    let mut past: Vec<u64> = vec![0];
    let mut fresh = 0;
    let chance = 0.03 + 0.15 * random.unit();
    let reach = 12.0 + 6.0 * random.unit();
    Box::new(move |random, _| {
        #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "small")]
        let back = (random.unit() * reach).exp2() as usize;
        let page = if random.unit() < chance || back > past.len() {
            fresh += 1;
            fresh
        } else {
            past[past.len() - back.max(1)]
        };
        past.push(page);
        page
    })
}

fn machines(random: &mut Random, pages: u64) -> Source {
    let count = 8 + random.below(24);
    let own = pages / count;
    let mut parts: Vec<Source> = (0..count)
        .map(|machine| match machine % 3 {
            0 => zipf(random, own, (machine + 1) * FAR),
            1 => files(random, own, (machine + 1) * FAR),
            _ => shift(random, own, (machine + 1) * FAR),
        })
        .collect();
    let image = pages / 10;
    let mut boots = vec![0u64; at(count)];
    Box::new(move |random, now| {
        let machine = at(mix(now / 64) % count);
        if boots[machine] > 0 {
            boots[machine] -= 1;
            return image - boots[machine];
        }
        if random.below(20_000) == 0 {
            boots.fill(image);
        }
        parts[machine](random, now)
    })
}

#[allow(clippy::cast_possible_truncation, reason = "places in lists that are in memory")]
fn at(place: u64) -> usize {
    place as usize
}
