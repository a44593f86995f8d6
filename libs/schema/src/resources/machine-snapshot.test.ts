import test from 'ava'
import { machineSnapshotPhases, machineSnapshotSpec } from './machine-snapshot.ts'

test('a machine’s snapshot: every phase and event leads where it should', (t) => {
  const rows = machineSnapshotPhases.states.flatMap((phase) =>
    machineSnapshotPhases.events
      .filter((event) => machineSnapshotPhases.allows(phase, event))
      .map((event) => `${phase} ${event} ${machineSnapshotPhases.next(phase, event)}`),
  )
  t.deepEqual(rows.toSorted(), [
    'asked begin taking',
    'asked fail gone',
    'removing removed gone',
    'restoring forgo restoring',
    'restoring gone-back taken',
    'reverting gone-back taken',
    'reverting refused taken',
    'reverting rolled-back restoring',
    'taken remove removing',
    'taken revert reverting',
    'taking fail gone',
    'taking taken taken',
  ])
  const stored = machineSnapshotSpec.shape.phase.options
  t.deepEqual([...stored, 'gone'].toSorted(), [...machineSnapshotPhases.states].toSorted())
})
