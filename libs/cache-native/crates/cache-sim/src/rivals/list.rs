//! Doubly linked lists over dense page numbers: one page is on one list of a `Links` at a time.

/// No page.
pub const NONE: u32 = u32::MAX;

/// The links of all pages of a trace; the lists that share them never hold the same page.
pub struct Links {
    newer: Vec<u32>,
    older: Vec<u32>,
}

/// One list: its two ends and its length.
#[derive(Clone, Copy)]
pub struct List {
    newest: u32,
    oldest: u32,
    len: usize,
}

impl Links {
    /// Links of `pages` pages, none of them on a list.
    pub fn new(pages: usize) -> Self {
        Self { newer: vec![NONE; pages], older: vec![NONE; pages] }
    }

    /// The neighbour of `page` towards the newest, `NONE` at the end.
    pub fn newer(&self, page: u32) -> u32 {
        self.newer[page as usize]
    }
}

impl List {
    /// A list without pages.
    pub const fn new() -> Self {
        Self { newest: NONE, oldest: NONE, len: 0 }
    }

    /// How many pages are on it.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The page at the old end, `NONE` of an empty list.
    pub const fn oldest(&self) -> u32 {
        self.oldest
    }

    /// Puts `page` at the new end.
    pub fn push(&mut self, links: &mut Links, page: u32) {
        links.newer[page as usize] = NONE;
        links.older[page as usize] = self.newest;
        if self.newest == NONE {
            self.oldest = page;
        } else {
            links.newer[self.newest as usize] = page;
        }
        self.newest = page;
        self.len += 1;
    }

    /// Takes `page` off, wherever it is.
    pub fn remove(&mut self, links: &mut Links, page: u32) {
        let (newer, older) = (links.newer[page as usize], links.older[page as usize]);
        if newer == NONE {
            self.newest = older;
        } else {
            links.older[newer as usize] = older;
        }
        if older == NONE {
            self.oldest = newer;
        } else {
            links.newer[older as usize] = newer;
        }
        self.len -= 1;
    }

    /// Takes the page at the old end off; `NONE` of an empty list.
    pub fn pop(&mut self, links: &mut Links) -> u32 {
        let page = self.oldest;
        if page != NONE {
            self.remove(links, page);
        }
        page
    }
}
