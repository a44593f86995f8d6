/** Begins to send a packet through the kernel, says when all of it stands, and never goes on: it is
 *  there to be killed. */
import { run, systemClock } from '@purlin/base'
import { explainPacketLive } from '../../src/live/explain-live.ts'
import { sampleDesired } from '../../src/testing/sample.ts'

const question = { from: 'a', to: '198.51.100.1', protocol: 'udp', destinationPort: 9 } as const
await explainPacketLive(sampleDesired, question, {
  clock: systemClock,
  signal: new AbortController().signal,
  run: async (program, args, options) => {
    const outcome = await run(program, args, options)
    if (program !== 'tc') return outcome
    process.stdout.write('standing\n')
    return await new Promise(() => setInterval(() => undefined, 1_000))
  },
})
