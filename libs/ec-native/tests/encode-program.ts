/** Encodes the file named first into the folder named second, prints the most memory it had, in
 *  MiB; with a third word it kills itself when half is done. */
import { readFileSync } from 'node:fs'
import { encodeFile } from '../src/index.ts'

const [path = '', folder = '', kill] = process.argv.slice(2)
await encodeFile(path, {
  ...{ dataShards: 4, parityShards: 2, folder, shardBytes: 64 * 1024 },
  onProgress: ({ doneBytes, totalBytes }) => {
    if (kill !== undefined && doneBytes * 2 >= totalBytes) process.kill(process.pid, 'SIGKILL')
  },
})
// The kernel's own mark; that of getrusage also counts what the parent had when it forked.
const highWater = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))
process.stdout.write(String(Number(highWater?.[1]) / 1024))
