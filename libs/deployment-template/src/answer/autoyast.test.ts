import test from 'ava'
import { golden } from '../../tests/golden.ts'
import { mirroredSpec, serverSpec } from '../../tests/samples.ts'

test('volumes', golden, 'sles-15', serverSpec, 'bios')
test('mirrors', golden, 'sles-15', mirroredSpec, 'uefi')
