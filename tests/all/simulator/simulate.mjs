// Simulates requests of a role: [{policy, action, resource, context}] as JSON in, [{result, ignored, listed}] out.
import { readFileSync } from 'node:fs'
import { runSimulation, runUnsafeSimulation } from '@cloud-copilot/iam-simulate'

const AWS_ACCOUNT = '111122223333'
// The default key policy, without which a role's own policies count for no key:
// https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
const root = { AWS: `arn:aws:iam::${AWS_ACCOUNT}:root` }
const KEY_POLICY = { Version: '2012-10-17', Statement: { Effect: 'Allow', Principal: root, Action: 'kms:*', Resource: '*' } }

async function simulate({ policy, action, resource, context }) {
  const simulation = {
    identityPolicies: [{ name: 'add-on', policy }],
    serviceControlPolicies: [],
    resourceControlPolicies: [],
    resourcePolicy: action.startsWith('kms:') ? KEY_POLICY : undefined,
    request: {
      principal: `arn:aws:iam::${AWS_ACCOUNT}:role/add-on`,
      action,
      resource: { resource, accountId: AWS_ACCOUNT },
      contextVariables: context,
    },
  }
  const found = await runSimulation(simulation, {})
  if (found.resultType !== 'error') {
    const results = found.results ?? [found.result]
    return { result: found.overallResult, ignored: results.flatMap((each) => each.ignoredContextKeys ?? []), listed: true }
  }
  // Its list of AWS's actions lacks resource types of some; it decides without the list, too.
  if (found.errors.message !== 'no.resource.types') throw new Error(JSON.stringify(found.errors))
  return { result: runUnsafeSimulation(simulation, {}), ignored: [], listed: false }
}

const requests = JSON.parse(readFileSync(0, 'utf8'))
process.stdout.write(JSON.stringify(await Promise.all(requests.map(simulate))))
