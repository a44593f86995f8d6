import type { PackageContents } from './parts.ts'

/** The scripts of a package's spec file, by whose they are. Shape: `stays` is the shell text that
 *  says what goes on without the agent. Pure. */
export function rpmScripts(scripts: PackageContents['scripts'], stays: string): readonly string[] {
  switch (scripts) {
    case 'agent':
      return agentScripts(stays)
    case 'blockd':
      return BLOCKD_SCRIPTS
    case 'bm-agent':
      return ['%pre', AGENT_USER, '', ...serviceScripts('purlin-bm-agent.service')]
    case 'baremetal':
      return ['%pre', GROUP, '', ...serviceScripts('purlin-baremetal-pxe.service')]
    case undefined:
      return []
  }
}

const GROUP = 'getent group purlin >/dev/null || groupadd --system purlin'
const AGENT_USER =
  'getent passwd purlin-bm-agent >/dev/null || useradd --system --user-group --no-create-home ' +
  '--home-dir /nonexistent --shell /usr/sbin/nologin purlin-bm-agent'
const RELOAD = 'if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi'

/** A service of one unit: the system's presets decide whether it is enabled. */
function serviceScripts(unit: string): readonly string[] {
  return [
    '%post',
    RELOAD,
    `if [ "$1" = 1 ] && command -v systemctl >/dev/null; then systemctl --no-reload preset ${unit} || true; fi`,
    '',
    '%preun',
    'if [ "$1" = 0 ] && command -v systemctl >/dev/null; then',
    `  systemctl --no-reload disable ${unit} || true`,
    `  if [ -d /run/systemd/system ]; then systemctl stop ${unit} || true; fi`,
    'fi',
    '',
    '%postun',
    RELOAD,
    `if [ "$1" -ge 1 ] && [ -d /run/systemd/system ]; then systemctl try-restart ${unit} || true; fi`,
    '',
  ]
}

const BLOCKD_SCRIPTS = [
  '%pre',
  'getent group purlin-volumes >/dev/null || groupadd --system purlin-volumes',
  'if getent passwd qemu >/dev/null; then usermod --append --groups purlin-volumes qemu; fi',
  '',
  '%post',
  RELOAD,
  'if [ "$1" = 1 ] && command -v systemctl >/dev/null; then systemctl --no-reload preset purlin-map.service || true; fi',
  '',
  '%preun',
  'if [ "$1" = 0 ] && command -v systemctl >/dev/null; then systemctl --no-reload disable purlin-map.service || true; fi',
  '',
  '%postun',
  RELOAD,
  '',
]

function agentScripts(stays: string): readonly string[] {
  const units = 'purlin-host-agent.service purlin-restore.service'
  return [
    '%pre',
    GROUP,
    '',
    '%post',
    RELOAD,
    `if [ "$1" = 1 ] && command -v systemctl >/dev/null; then systemctl --no-reload preset ${units} || true; fi`,
    '',
    '%preun',
    'if [ "$1" = 0 ]; then',
    `  if [ -d /run/systemd/system ]; then systemctl --no-reload disable --now ${units} || true; fi`,
    stays.trimEnd(),
    'fi',
    '',
    '%postun',
    RELOAD,
    'if [ "$1" -ge 1 ] && [ -d /run/systemd/system ]; then systemctl try-restart purlin-host-agent.service || true; fi',
    '',
  ]
}
