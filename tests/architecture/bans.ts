import { Visitor } from 'oxc-parser';
import { isProduction, isTest, type Rule, type SourceFile } from './source.ts';

interface Ban {
  what: RegExp;
  /** Where it is allowed. */
  home: RegExp;
  instead: string;
}

/** Uses of globals and of Node, written as `object.property`, `call()`, `new Name()` with no arguments. */
const productionBans: readonly Ban[] = [
  {
    what: /^(Date\.now|performance\.now|process\.hrtime|new Date\(\)|Date\(\)|setTimeout\(\)|setInterval\(\)|setImmediate\(\))$/,
    home: /^(contexts\/base\/clock|infra\/client\/timer)\.ts$/, // what is published stands alone
    instead: 'a Clock given as an argument (contexts/base/clock.ts), or a Loop (contexts/base/loop.ts)',
  },
  {
    what: /^(Math\.random|randomBytes\(\)|randomUUID\(\)|randomInt\(\)|getRandomValues\(\)|crypto\.(randomUUID|getRandomValues))$/,
    home: /^contexts\/base\/random\.ts$/,
    instead: 'a Random given as an argument (contexts/base/random.ts)',
  },
  {
    what: /^console\.\w+$/,
    home: /^infra\//,
    instead: 'a Logger given as an argument (contexts/base/log.ts)',
  },
  {
    what: /^process\.env$/,
    home: /^((hub|publisher|spoke)\/config\.ts|infra\/(bin\/\w+|local\/main)\.[jt]s)$/,
    instead: "an option in the service's config.ts",
  },
  {
    what: /^process\.exit$/,
    home: /^(infra\/|contexts\/base\/process\.ts$)/,
    instead: 'the number that main() resolves with',
  },
];

const testBans: readonly Ban[] = [
  {
    what: /^vi\.(mock|doMock|hoisted)$/,
    home: /^$/,
    instead: 'the real thing, or a wrapper round it; modules are never mocked',
  },
];

export const bans: Rule = (files) =>
  files.flatMap((file) => {
    const applying = isProduction(file.path) ? productionBans : isTest(file.path) ? testBans : [];
    return usesIn(file).flatMap(({ use, line }) => {
      const ban = applying.find((each) => each.what.test(use) && !each.home.test(file.path));
      return ban ? [`${file.path}:${line}: ${use} is banned here; use ${ban.instead}`] : [];
    });
  });

function usesIn(file: SourceFile): { use: string; line: number }[] {
  const uses: { use: string; line: number }[] = [];
  const add = (use: string, node: { start: number }) => uses.push({ use, line: file.lineAt(node.start) });
  new Visitor({
    MemberExpression(node) {
      if (node.object.type !== 'Identifier') return;
      const { property } = node;
      if (!node.computed && property.type === 'Identifier') add(`${node.object.name}.${property.name}`, node);
      else if (property.type === 'Literal') add(`${node.object.name}.${property.value}`, node);
    },
    CallExpression(node) {
      if (node.callee.type === 'Identifier') add(`${node.callee.name}()`, node);
    },
    NewExpression(node) {
      if (node.callee.type === 'Identifier' && node.arguments.length === 0)
        add(`new ${node.callee.name}()`, node);
    },
    VariableDeclarator(node) {
      // const { env } = process
      if (node.id.type !== 'ObjectPattern' || node.init?.type !== 'Identifier') return;
      for (const member of node.id.properties) {
        if (member.type === 'Property' && member.key.type === 'Identifier')
          add(`${node.init.name}.${member.key.name}`, node);
      }
    },
  }).visit(file.program);
  return uses;
}
