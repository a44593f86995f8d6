import type { LibvirtEvent, LibvirtPort } from '../../src/index.ts'

/** Records events from now on; `next` gives the first that fits, of those that came or will
 *  come. */
export function recordEvents(libvirt: LibvirtPort): {
  readonly events: readonly LibvirtEvent[]
  next(fits: (event: LibvirtEvent) => boolean): Promise<LibvirtEvent>
} {
  const events: LibvirtEvent[] = []
  const waiting = new Set<() => void>()
  libvirt.onEvent((event) => {
    events.push(event)
    for (const look of waiting) look()
  })
  let taken = 0
  return {
    events,
    next: (fits) =>
      new Promise((resolve) => {
        const look = (): void => {
          const index = events.findIndex((event, at) => at >= taken && fits(event))
          const event = events[index]
          if (event === undefined) return
          taken = index + 1
          waiting.delete(look)
          resolve(event)
        }
        waiting.add(look)
        look()
      }),
  }
}
