import test from 'ava'
import { hasCandidate } from './packages.ts'

const POLICY = `firmware-bnx2:
  Installed: (none)
  Candidate: (none)
  Version table:
firmware-qlogic:
  Installed: (none)
  Candidate: 20230210-5
  Version table:
     20230210-5 500
`

test('firmware that no package source has is known before it is asked for', (t) => {
  t.false(hasCandidate(POLICY, 'firmware-bnx2'))
  t.true(hasCandidate(POLICY, 'firmware-qlogic'))
  t.false(hasCandidate(POLICY, 'firmware-cavium'))
})
