/** Swaps between two policies until it is killed, for the test that kills it. */
import { sampleDesired } from '../../src/testing/sample.ts'
import { enforce, newDriver } from './enforce.ts'
import { alternatePolicy } from './policies.ts'

const restoreFile = process.argv[2]
const driver = newDriver(restoreFile === undefined ? {} : { restoreFile })
for (let round = 0; ; round++) {
  await enforce(driver, round % 2 === 0 ? alternatePolicy(sampleDesired, round) : sampleDesired)
  process.stdout.write(`${round}\n`)
}
