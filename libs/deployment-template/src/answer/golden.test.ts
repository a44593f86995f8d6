import test from 'ava'
import { golden } from '../../tests/golden.ts'
import { mirroredSpec, plainSpec, serverSpec } from '../../tests/samples.ts'

test('volumes', golden, 'rhel-9', serverSpec, 'bios')
test('mirrors', golden, 'rhel-10', mirroredSpec, 'uefi')
test('volumes', golden, 'debian-12', serverSpec, 'bios')
test('plain', golden, 'debian-13', plainSpec, 'uefi')
test('volumes', golden, 'sles-16', serverSpec, 'uefi')
