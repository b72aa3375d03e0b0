// Compiles the contracts of this folder with the pinned solc from npm: `node crates/loadgen/contracts/build.mjs`.
// Writes artifacts.json: for each contract its creation code, and the SHA-256 of each source it was made from.
import { createRequire } from 'node:module'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const solc = createRequire(import.meta.url)('solc')
const files = { Token: ['Token'], Storage: ['Storage'], Compute: ['Compute'], Chaos: ['Chaos', 'Child'] }

const sources = {}
for (const file of Object.keys(files)) {
  sources[`${file}.sol`] = { content: readFileSync(join(here, `${file}.sol`), 'utf8') }
}
const output = JSON.parse(solc.compile(JSON.stringify({
  language: 'Solidity',
  sources,
  settings: {
    evmVersion: 'shanghai',
    optimizer: { enabled: true, runs: 200 },
    metadata: { bytecodeHash: 'none', appendCBOR: false },
    outputSelection: { '*': { '*': ['evm.bytecode.object'] } },
  },
})))
const errors = (output.errors ?? []).filter((error) => error.severity === 'error')
if (errors.length > 0) {
  console.error(errors.map((error) => error.formattedMessage).join('\n'))
  process.exit(1)
}

const artifacts = { compiler: solc.version(), sources: {}, creation_code: {} }
for (const [file, contracts] of Object.entries(files)) {
  const name = `${file}.sol`
  artifacts.sources[name] = createHash('sha256').update(sources[name].content).digest('hex')
  for (const contract of contracts) {
    artifacts.creation_code[contract] = `0x${output.contracts[name][contract].evm.bytecode.object}`
  }
}
writeFileSync(join(here, 'artifacts.json'), JSON.stringify(artifacts, null, 2) + '\n')
