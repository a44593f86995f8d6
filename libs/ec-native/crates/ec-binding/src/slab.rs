//! Things that JavaScript knows by a number.

/// Values by handle; a free place is used again.
pub struct Slab<Value> {
    places: Vec<Option<Value>>,
    free: Vec<u32>,
}

impl<Value> Slab<Value> {
    pub const fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    /// Keeps `value` and returns its handle; `None` when all 2^32 handles are taken.
    pub fn insert(&mut self, value: Value) -> Option<u32> {
        if let Some(handle) = self.free.pop() {
            self.places[handle as usize] = Some(value);
            return Some(handle);
        }
        let handle = u32::try_from(self.places.len()).ok()?;
        self.places.push(Some(value));
        Some(handle)
    }

    pub fn get(&self, handle: u32) -> Option<&Value> {
        self.places.get(handle as usize)?.as_ref()
    }

    /// Takes the value out; a handle that is free already is left alone.
    pub fn remove(&mut self, handle: u32) -> Option<Value> {
        let value = self.places.get_mut(handle as usize)?.take()?;
        self.free.push(handle);
        Some(value)
    }
}
