//! What is learned: for each class and age, how often a page comes back there, and from that, what
//! it is worth to keep such a page or to write it to flash.
//!
//! The counts give the chance that a page which has reached an age comes back at it (the estimator
//! of Kaplan and Meier, 1958: a page that is dropped counts until then). A page that is kept pays
//! rent for its place; the rent is the price at which as many pages are worth keeping as there is
//! room for. With that, the worth of a page in the cache and outside of it are the two values of a
//! Markov decision process with a price of changing over, the flash write:
//!
//! ```text
//! inside(class, age)  = p (1 + b inside(next, 0)) + (1 - p) inside(class, age + 1) - rent
//! outside(class, age) = p b max(outside(next, 0), inside(next, 0) - price)
//!                                                 + (1 - p) outside(class, age + 1)
//! worth = max(0, inside - outside)
//! ```
//! Worth is in hits. A page is written to flash if its worth is above the price and that of the
//! page which makes room.

use super::age::{AGES, bucket_length};
use super::class::{CLASSES, Class};

/// What a flash write costs, in hits, where every miss is written: a part of the writes is worth
/// so much of the same part of the misses. Where few misses are written, a part of the writes is
/// fewer of them, so one costs more.
const PRICE_OF_SHARE: f32 = 0.14;
const PRICE_MAX: f32 = 0.27;
/// How much of the misses and writes that the price follows remains after a lesson.
const PRICE_MEMORY: f32 = 0.9;
/// How much of the counts remains after a lesson.
const MEMORY: f32 = 0.98;
/// What a hit is worth after the next one.
const DISCOUNT: f32 = 0.97;
/// The weight of all classes of a family for each of them, in pages.
const FAMILY_WEIGHT: f32 = 10.0;
/// The share of sets that should have a page which is worth nothing.
const WORTHLESS_SHARE: f32 = 0.5;
/// By how much the rent moves in a lesson.
const RENT_STEP: f32 = 1.2;
const RENT_START: f32 = 0.3;
const RENT_MIN: f32 = 0.001;
const RENT_MAX: f32 = 20.0;
/// Rounds in which the values of the classes follow each other in a lesson.
const ROUNDS: usize = 3;
/// The size of a cache up to which each page counts as one.
const COUNTED_PAGES_MAX: f32 = 65_536.0;

type Row = [f32; AGES];

/// The counts and the worths.
#[derive(Debug)]
pub struct Reuse {
    came_back: Vec<Row>,
    dropped: Vec<Row>,
    worth: Vec<Row>,
    inside: [f32; CLASSES],
    outside: [f32; CLASSES],
    rent: f32,
    price: f32,
    misses: f32,
    writes: f32,
    /// What one page adds to the counts.
    weight: f32,
    /// Pages that made room since the last lesson and were worth nothing, and worth something.
    worthless_victims: u32,
    worthy_victims: u32,
}

impl Reuse {
    /// For a cache of `capacity_pages`. The counts of a large one are scaled down, since a float of
    /// 32 bits cannot count to more than 2^24 one by one.
    #[allow(clippy::cast_precision_loss, reason = "a scale need not be exact")]
    pub fn new(capacity_pages: usize) -> Self {
        Self {
            weight: (COUNTED_PAGES_MAX / capacity_pages as f32).min(1.0),
            came_back: vec![[0.0; AGES]; CLASSES],
            dropped: vec![[0.0; AGES]; CLASSES],
            // Until something is learned everything is worth a hit.
            worth: vec![[1.0; AGES]; CLASSES],
            inside: [0.0; CLASSES],
            outside: [0.0; CLASSES],
            rent: RENT_START,
            price: PRICE_OF_SHARE,
            misses: 0.0,
            writes: 0.0,
            worthless_victims: 0,
            worthy_victims: 0,
        }
    }

    pub fn count_return(&mut self, class: Class, bucket: usize) {
        self.came_back[class.index()][bucket] += self.weight;
    }

    pub fn count_drop(&mut self, class: Class, bucket: usize) {
        self.dropped[class.index()][bucket] += self.weight;
    }

    /// A page worth so much is the least of its set.
    pub const fn count_victim(&mut self, worth: f32) {
        if worth > 0.0 {
            self.worthy_victims += 1;
        } else {
            self.worthless_victims += 1;
        }
    }

    /// A request found its page nowhere.
    pub fn count_miss(&mut self) {
        self.misses += 1.0;
    }

    /// A page was written in the place of another.
    pub fn count_write(&mut self) {
        self.writes += 1.0;
    }

    /// What keeping a page is worth, in hits.
    pub fn worth(&self, class: Class, bucket: usize) -> f32 {
        self.worth[class.index()][bucket]
    }

    /// Whether a page is worth a flash write in the place of one that is worth `victim`.
    pub fn is_worth_writing(&self, class: Class, bucket: usize, victim: f32) -> bool {
        self.worth(class, bucket) > victim + self.price
    }

    /// Works the worths out of what was counted, and forgets a little.
    pub fn learn(&mut self) {
        self.move_rent();
        self.move_price();
        let families = [true, false].map(|new| self.family_chances(new));
        for _ in 0..ROUNDS {
            for class in Class::all() {
                self.value(class, &families[usize::from(!class.is_new())]);
            }
        }
        for count in self.came_back.iter_mut().chain(&mut self.dropped).flatten() {
            *count *= MEMORY;
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "the share of two counts need not be exact")]
    fn move_rent(&mut self) {
        let victims = self.worthless_victims + self.worthy_victims;
        if victims > 0 {
            let dear = self.worthless_victims as f32 >= WORTHLESS_SHARE * victims as f32;
            let rent = if dear { self.rent / RENT_STEP } else { self.rent * RENT_STEP };
            self.rent = rent.clamp(RENT_MIN, RENT_MAX);
        }
        (self.worthless_victims, self.worthy_victims) = (0, 0);
    }

    fn move_price(&mut self) {
        let misses_per_write = (self.misses + 1.0) / (self.writes + 1.0);
        self.price = (PRICE_OF_SHARE * misses_per_write).min(PRICE_MAX);
        self.misses *= PRICE_MEMORY;
        self.writes *= PRICE_MEMORY;
    }

    /// The chances over all classes of new pages, or of those that came back.
    fn family_chances(&self, new: bool) -> Row {
        let mut chances = [0.0; AGES];
        let mut reached = 0.0;
        for bucket in (0..AGES).rev() {
            let mut came_back = 0.0;
            for class in Class::all().filter(|class| class.is_new() == new) {
                came_back += self.came_back[class.index()][bucket];
                reached += self.dropped[class.index()][bucket];
            }
            reached += came_back;
            chances[bucket] = (came_back + 0.01) / (reached + 1.0);
        }
        chances
    }

    fn value(&mut self, class: Class, family: &Row) {
        let row = class.index();
        let (mut reached, mut inside, mut outside) = (0.0, 0.0f32, 0.0f32);
        for bucket in (0..AGES).rev() {
            let came_back = self.came_back[row][bucket];
            reached += came_back + self.dropped[row][bucket];
            let chance = (came_back + FAMILY_WEIGHT * family[bucket]) / (reached + FAMILY_WEIGHT);
            let next = class.after_use(bucket).index();
            let written = self.inside[next] - self.price;
            outside =
                chance * DISCOUNT * self.outside[next].max(written) + (1.0 - chance) * outside;
            // A page that comes back in this bucket stays in it for half of its length.
            let rent = self.rent * bucket_length(bucket) * (1.0 - chance / 2.0);
            let kept = chance * (1.0 + DISCOUNT * self.inside[next]) + (1.0 - chance) * inside;
            inside = (kept - rent).max(outside);
            self.worth[row][bucket] = inside - outside;
        }
        (self.inside[row], self.outside[row]) = (inside, outside);
    }

    pub const fn bytes() -> usize {
        3 * CLASSES * size_of::<Row>() + size_of::<Self>()
    }
}

#[cfg(test)]
mod tests {
    use super::super::class::Run;
    use super::*;

    const NEW: Class = Class::of_new(Run::None, 0);

    fn taught(teach: impl Fn(&mut Reuse)) -> Reuse {
        let mut reuse = Reuse::new(1000);
        for _ in 0..60 {
            teach(&mut reuse);
            reuse.count_victim(0.0);
            reuse.count_victim(1.0);
            reuse.learn();
        }
        reuse
    }

    #[test]
    fn pages_that_never_come_back_are_not_worth_a_write() {
        let reuse = taught(|reuse| (0..100).for_each(|_| reuse.count_drop(NEW, 20)));
        assert!(!reuse.is_worth_writing(NEW, 0, 0.0));
    }

    #[test]
    fn pages_that_come_back_soon_are_worth_a_write() {
        let reuse = taught(|reuse| {
            (0..100).for_each(|_| reuse.count_return(NEW, 6));
            (0..100).for_each(|_| reuse.count_return(NEW.after_use(6), 6));
        });
        assert!(reuse.is_worth_writing(NEW, 0, 0.0));
    }

    #[test]
    fn of_pages_in_a_loop_the_one_that_waited_longest_is_worth_most() {
        let reuse = taught(|reuse| (0..100).for_each(|_| reuse.count_return(NEW, 24)));
        assert!(reuse.worth(NEW, 23) > reuse.worth(NEW, 10));
        assert!(reuse.worth(NEW, 10) >= reuse.worth(NEW, 0));
        assert!(reuse.worth(NEW, 30) < 0.1, "past the loop's length it does not come back");
    }

    #[test]
    fn the_rent_rises_while_pages_worth_keeping_make_room() {
        let mut reuse = Reuse::new(1000);
        reuse.count_victim(1.0);
        reuse.learn();
        assert!(reuse.rent > RENT_START);
        reuse.count_victim(0.0);
        reuse.count_victim(0.0);
        reuse.learn();
        reuse.count_victim(0.0);
        reuse.learn();
        assert!(reuse.rent < RENT_START);
    }

    #[test]
    fn a_write_costs_more_where_few_misses_are_written() {
        let mut reuse = Reuse::new(1000);
        for _ in 0..50 {
            (0..100).for_each(|_| reuse.count_miss());
            (0..100).for_each(|_| reuse.count_write());
            reuse.learn();
        }
        assert!((reuse.price - PRICE_OF_SHARE).abs() < 0.001, "{}", reuse.price);
        for _ in 0..50 {
            (0..100).for_each(|_| reuse.count_miss());
            reuse.count_write();
            reuse.learn();
        }
        assert!((reuse.price - PRICE_MAX).abs() < 0.001, "{}", reuse.price);
    }
}
