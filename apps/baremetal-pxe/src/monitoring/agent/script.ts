import type { AgentPackage } from './packages.ts'

/** What an instance needs to be watched. */
export interface AgentScriptInputs {
  /** `https://ADDRESS:PORT` of the node server. */
  readonly serverUrl: string
  /** The certificate of our authority, PEM. */
  readonly authority: string
  readonly token: string
  readonly packages: readonly (AgentPackage & { readonly sha256: string })[]
}

/** `agent.sh`: installs the agent from the server, and nothing else from anywhere, in the system
 *  that is being made; the post step runs it as root. It may run twice. A package is installed only
 *  if it is the one that the server had when it wrote this. Shape: a POSIX shell script with a
 *  secret in it. Pure. */
export function agentScript({ serverUrl, authority, token, packages }: AgentScriptInputs): string {
  const choices = packages.map(
    ({ format, machine, name, sha256 }) =>
      `  ${format}:${machine}) name='${name}' sha256=${sha256} ;;`,
  )
  return `#!/bin/sh
# Written by Purlin; installs the agent that tells how this system does.
set -eu
umask 077
authority=/etc/purlin/bm-agent-ca.pem
mkdir -p /etc/purlin
chmod 0755 /etc/purlin
cat > "$authority" <<'PURLIN_END'
${authority.trimEnd()}
PURLIN_END
printf '%s\\n' '${token}' > /etc/purlin/bm-agent.token
cat > /etc/purlin/bm-agent.toml <<'PURLIN_END'
[push]
server = "${serverUrl}"
authority = "/etc/purlin/bm-agent-ca.pem"
tokenFile = "/etc/purlin/bm-agent.token"
PURLIN_END
chmod 0600 /etc/purlin/bm-agent.token /etc/purlin/bm-agent.toml
chmod 0644 "$authority"

if command -v dpkg >/dev/null 2>&1; then format=deb; else format=rpm; fi
case "$format:$(uname -m)" in
${choices.join('\n')}
  *)
    echo "the server has no $format of purlin-bm-agent for $(uname -m)" >&2
    exit 1
    ;;
esac
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
curl -gfsS --proto '=https' --noproxy '*' -m 120 --retry 3 --cacert "$authority" \\
  -o "$folder/$name" "${serverUrl}/system/$name"
printf '%s  %s\\n' "$sha256" "$folder/$name" | sha256sum -c - >/dev/null
if [ "$format" = deb ]; then
  DEBIAN_FRONTEND=noninteractive dpkg -i "$folder/$name"
else
  rpm -U --replacepkgs --oldpackage "$folder/$name"
fi
systemctl enable purlin-bm-agent.service
`
}
