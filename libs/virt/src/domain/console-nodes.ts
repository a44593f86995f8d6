import type { DomainSpec } from './domain-spec.ts'

/** The first serial port: a socket on which one at a time is connected, and a file that has all
 *  that the guest wrote, whether anybody listened or not. libvirt binds the socket and hands it to
 *  QEMU open, so QEMU needs no right to the folder, and nobody else has one.
 *  Source: libvirt, "Domain XML format", consoles, serial, parallel and channel devices. */
export function serialNode({ serialSocket, serialLogFile }: DomainSpec) {
  return {
    '@type': 'unix',
    source: { '@mode': 'bind', '@path': serialSocket },
    log: { '@file': serialLogFile, '@append': 'off' },
    target: { '@port': 0 },
  }
}

/** A screen that listens nowhere: whoever may speak to libvirt is handed a descriptor. Viewers
 *  share it, whatever they ask for. The tablet gives the pointer places instead of movements, which
 *  is what browsers know. Source: libvirt, "Domain XML format", graphical framebuffers, video and
 *  input devices. */
export function displayNodes({ display }: DomainSpec) {
  if (!display) return {}
  return {
    input: { '@type': 'tablet', '@bus': 'virtio' },
    graphics: { '@type': 'vnc', '@sharePolicy': 'force-shared', listen: { '@type': 'none' } },
    video: { model: { '@type': 'vga', '@vram': VIDEO_KIB, '@heads': 1 } },
  }
}

const VIDEO_KIB = 16_384
