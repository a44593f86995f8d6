import type { Verification, WitnessPacket } from '@purlin/schema'
import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { exitCodes } from '../exit-codes.ts'
import { oneLine } from '../output/table.ts'
import { coloured } from '../output/tone.ts'

/** `purlin sg verify` */
export function addSecurityGroupVerify(group: Command, cli: Cli): void {
  group
    .command('verify')
    .description(
      'prove that the kernel decides every packet as the policy does; exit code 3 where it does not',
    )
    .action(async () => {
      const proof = await cli.client.enforcement.verify()
      cli.print(proof, () => verificationText(proof, cli.colours))
      if (!proof.equal) cli.exitCode = exitCodes.differs
    })
}

/** The proof in a sentence, or each finding with the packet that shows it. Pure. */
export function verificationText(proof: Verification, colours: boolean): string {
  const { equal, findings, nics, spaces } = proof
  const looked = `${nics} NICs, ${spaces} packet spaces compared`
  if (equal) return `${coloured('equal', 'good', colours)}: ${looked}\n`
  const lines = findings.flatMap(({ where, what, witness }) => [
    `  ${oneLine(where)}: ${oneLine(what)}`,
    ...(witness === undefined ? [] : [`    ${witnessText(witness)}`]),
  ])
  return `${coloured('not equal', 'bad', colours)}: ${looked}\n${lines.join('\n')}\n`
}

function witnessText(packet: WitnessPacket): string {
  const { protocol, source, sourcePort, destination, destinationPort, state } = packet
  const end = (address: string, port: number | undefined): string =>
    port === undefined ? address : `${address} port ${port}`
  const icmp = packet.icmpType === undefined ? '' : ` type ${packet.icmpType}/${packet.icmpCode}`
  const flow = `${end(source, sourcePort)} -> ${end(destination, destinationPort)}`
  return `${state} ${packet.family} ${protocol}${icmp} ${flow}: the policy says ${packet.meant} (${packet.meantBy}), the kernel ${packet.loaded} (${packet.loadedBy})`
}
