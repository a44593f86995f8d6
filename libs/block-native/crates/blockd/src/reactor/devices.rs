//! Guests' devices beside the connections of NBD: the same limits, the same engine, the same turn.

use purlin_block_core::Nanoseconds;
use purlin_block_core::buffer::Slice;
use purlin_block_core::request::VolumeId;

use super::Reactor;
use super::pending::Arrived;
use crate::engine::Engine;
use crate::port::token::ConnectionKey;
use crate::qos::limiter::Cost;
use crate::vhost::config_space::told_bytes;
use crate::vhost::device::{Device, DeviceMail};
use crate::vhost::work::Work;

impl<E: Engine> Reactor<E> {
    pub(super) fn read_device_mail(&mut self, key: ConnectionKey, mail: DeviceMail) {
        self.touched.push(key);
        if let DeviceMail::Open { volume, socket, told_bytes } = mail {
            // A volume that went away meanwhile: the session ends, which says as much.
            let Some(id) = self.volumes.id(&volume) else {
                let _ = rustix::net::shutdown(&*socket, rustix::net::Shutdown::Both);
                return;
            };
            let device = Device::new(key, id, volume, socket, told_bytes);
            self.devices.insert(key, device);
            return;
        }
        let leaving = self.devices.get(&key).is_some_and(|device| {
            let former = |other: &Device| other.is_closed() && other.volume == device.volume;
            self.devices.values().any(former)
        });
        let Some(device) = self.devices.get_mut(&key) else { return };
        match mail {
            DeviceMail::Open { .. } => {}
            // What a former session of the volume has begun must not end after what this one
            // begins: it might be the same write, and the guest has written since.
            DeviceMail::Start(index, setup) => device.start(index, *setup, leaving),
            DeviceMail::Stop(index, sender) => device.stop(index, sender),
            DeviceMail::Call(index, call) => device.set_call(index, call),
            DeviceMail::Notices(notices) => {
                device.set_notices(notices);
                self.tell_size(key);
            }
            DeviceMail::Close => {
                device.close(self.port.as_mut());
                self.step_device(key);
            }
        }
    }

    /// Takes requests of a guest as far as its bounds allow.
    pub(super) fn read_device(&mut self, key: ConnectionKey, now: Nanoseconds) {
        while let Some(device) = self.devices.get_mut(&key) {
            let size_bytes = self.volumes.get(device.volume).map_or(0, |known| known.size_bytes);
            let Some(work) = device.take(told_bytes(size_bytes)) else { return };
            let volume = device.volume;
            self.begin_work(key, volume, work, now);
        }
    }

    fn begin_work(
        &mut self,
        connection: ConnectionKey,
        volume: VolumeId,
        work: Work,
        now: Nanoseconds,
    ) {
        let Work { head, ops, cost } = work;
        let paid = cost.is_none();
        let cost = cost.unwrap_or(Cost::Request);
        let arrived = Arrived { connection, head, volume, ops, cost };
        let admitted = if paid { Some(arrived) } else { self.volumes.admit(arrived, now) };
        if let Some(arrived) = admitted {
            self.hand_in(arrived);
        }
    }

    /// Answers a request of a guest.
    pub(super) fn answer_device(
        &mut self,
        key: ConnectionKey,
        cookie: u64,
        result: Result<Option<Vec<Slice>>, ()>,
    ) {
        self.touched.push(key);
        if let Some(device) = self.devices.get_mut(&key) {
            device.answer(cookie, result);
        }
        self.step_device(key);
    }

    /// Takes a step of a write that goes alone; it waits for nothing but what the device has under
    /// way, so it is taken also where nothing new is begun.
    fn step_device(&mut self, key: ConnectionKey) {
        let Some(device) = self.devices.get_mut(&key) else { return };
        let volume = device.volume;
        if let Some(work) = device.next_step() {
            let now = self.now();
            self.begin_work(key, volume, work, now);
        }
    }

    /// Ends a device's turn; whether there is a device of that key. One that is over is forgotten,
    /// and who waited for that begins.
    pub(super) fn settle_device(&mut self, key: ConnectionKey) -> bool {
        let listen = self.giving_away.is_none();
        let Some(device) = self.devices.get_mut(&key) else { return false };
        device.settle(self.port.as_mut(), listen);
        if device.is_over() {
            let volume = device.volume;
            self.devices.remove(&key);
            let former = |it: &Device| it.is_closed() && it.volume == volume;
            if !self.devices.values().any(former) {
                let waiting = self.devices.values_mut().filter(|it| it.volume == volume);
                waiting.for_each(Device::start_waiting);
            }
        }
        true
    }

    /// Tells a guest of its volume's size, if that is another.
    fn tell_size(&mut self, key: ConnectionKey) {
        if let Some(device) = self.devices.get_mut(&key)
            && let Some(known) = self.volumes.get(device.volume)
        {
            device.tell_size(told_bytes(known.size_bytes));
        }
    }

    /// Tells guests of volumes that have another size.
    pub(super) fn tell_sizes(&mut self) {
        let keys: Vec<ConnectionKey> = self.devices.keys().copied().collect();
        for key in keys {
            self.tell_size(key);
        }
    }
}
