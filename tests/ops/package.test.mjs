/**
 * Goal:   the Debian package gives a running hub, confined as its unit says, keeps what people wrote, and goes without a trace but that.
 * Method: a clean machine with systemd installs it, uses it, upgrades, removes and purges it; each step is a command whose failure
 *         ends the script (`set -e`), so the code says whether all held. lintian reads the package.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { debian, runOnMachine } from './machine.mjs';

const call = promisify(execFile);
/** What the unit has logged is needed where it has failed, and gone with the machine. */
const install = `
  set -eux
  trap 'test $? = 0 || journalctl --no-pager --catalog --unit syncline' EXIT
  apt-get install -y curl /srv/given/syncline.deb
`;

async function pass(t, script, files) {
  const { code, output } = await runOnMachine(t, script, files);
  assert.equal(code, 0, output);
  return output;
}

test('lintian has nothing to say', { timeout: 60000 }, async () => {
  const { stdout } = await call('lintian', ['--allow-root', '--info', '--display-info', '--fail-on', 'error,warning,info', debian]);
  assert.equal(stdout, '');
});

test('the service starts, serves, and is where it should be', { timeout: 330000 }, async (t) => {
  await pass(t, `${install}
    test "$(systemctl is-enabled syncline)" = enabled
    test "$(systemctl is-active syncline)" = active
    synclined check --config /etc/syncline/syncline.yaml
    syncline increment post/42 likes 3
    test "$(syncline get post/42 likes)" = 3
    curl -sf http://127.0.0.1:7962/health >/dev/null
    test "$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:7962/ready)" = 200
    test "$(stat -c '%U:%G %a' /var/lib/syncline)" = 'syncline:syncline 750'
    test "$(stat -c '%U:%G %a' /var/lib/syncline/syncline.db)" = 'syncline:syncline 600'
    test "$(stat -c '%U:%G %a' /etc/syncline)" = 'root:syncline 750'
    journalctl --unit syncline --output cat | grep -q 'listening on http://127.0.0.1:7962/'
    man --warnings -w synclined syncline syncline.yaml
    man synclined | grep -q 'CRDT sync server'
    # A crash is followed by a start, with everything there.
    systemctl kill --kill-whom main --signal KILL syncline
    until test "$(syncline --timeout 1 get post/42 likes)" = 3; do sleep 0.1; done
    test "$(systemctl show --property NRestarts --value syncline)" = 1
    # A stop is a clean one.
    systemctl stop syncline
    test "$(systemctl show --property Result --value syncline)" = success
    journalctl --unit syncline --output cat | tail -n 5 | grep -q stopped
  `);
});

test('the unit confines the hub, which needs nothing of what is forbidden', { timeout: 330000 }, async (t) => {
  const output = await pass(t, `${install}
    systemd-analyze verify /lib/systemd/system/syncline.service
    systemd-analyze security --no-pager syncline | tail -n 1
    systemd-analyze security --no-pager --threshold 15 syncline >/dev/null
    status() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$(systemctl show --property MainPID --value syncline)/status"; }
    test "$(status Seccomp)" = 2
    test "$(status NoNewPrivs)" = 1
    test "$(status CapBnd)" = 0000000000000000
    test "$(status Uid | cut -f 1)" = "$(id -u syncline)"
    # A call that is forbidden is an error in the service; here it ends the hub, so that none can pass unseen.
    mkdir -p /etc/systemd/system/syncline.service.d
    printf '[Service]\\nSystemCallErrorNumber=kill\\nRestart=no\\n' >/etc/systemd/system/syncline.service.d/test.conf
    systemctl daemon-reload
    systemctl restart syncline
    syncline batch post/1 </srv/given/edits
    syncline --store /root/my.db get post/1
    syncline --store /root/my.db --offline increment post/1 likes
    syncline --store /root/my.db sync
    for page in / /console /health /ready /nothing; do curl -s -o /dev/null "http://127.0.0.1:7962$page"; done
    test "$(syncline get post/1 likes)" = 201
    systemctl stop syncline
    test "$(systemctl show --property Result --value syncline)" = success
  `, { edits: 'increment likes\n'.repeat(200) });
  t.diagnostic(/Overall exposure.*/.exec(output)[0]);
});

test('systemd is told when the hub is ready, when it hangs, and to read its configuration again', { timeout: 150000 }, async (t) => {
  await pass(t, `${install}
    systemd-analyze verify /lib/systemd/system/syncline.service /lib/systemd/system/syncline.socket
    # A restart comes back when clients can connect.
    for i in 1 2 3; do
      systemctl restart syncline
      test "$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:7962/ready)" = 200
    done
    systemctl status --no-pager syncline | grep -q 'Status: "'

    hub=$(systemctl show --property MainPID --value syncline)
    printf '  page: {seen: flag}\\n' >>/etc/syncline/syncline.yaml
    systemctl reload syncline
    until syncline --timeout 2 enable page/1 seen; do sleep 0.1; done
    echo 'nonsense: true' >>/etc/syncline/syncline.yaml
    systemctl reload syncline
    until journalctl --unit syncline --output cat | grep reload-refused; do sleep 0.1; done
    test "$(syncline get page/1 seen)" = true
    test "$(systemctl show --property MainPID --value syncline)" = "$hub"
    sed -i '/nonsense/d' /etc/syncline/syncline.yaml

    mkdir -p /etc/systemd/system/syncline.service.d
    printf '[Service]\\nWatchdogSec=2\\n' >/etc/systemd/system/syncline.service.d/test.conf
    systemctl daemon-reload
    systemctl restart syncline
    kill -STOP "$(systemctl show --property MainPID --value syncline)"
    until test "$(systemctl show --property NRestarts --value syncline)" = 1; do sleep 0.1; done
    until test "$(syncline --timeout 1 get page/1 seen)" = true; do sleep 0.1; done
  `);
});

test('with the socket unit a restart refuses nobody', { timeout: 150000 }, async (t) => {
  await pass(t, `${install}
    systemctl stop syncline
    systemctl enable --now syncline.socket
    # Who connects first has the hub started.
    test "$(syncline get post/1 likes)" = 0
    (until test -e /root/enough; do curl -s -o /dev/null http://127.0.0.1:7962/ready || echo "curl: $?" >>/root/refused; echo >>/root/asked; done) &
    for i in 1 2 3 4 5; do
      asked=$(cat /root/asked | wc -l)
      systemctl restart syncline
      until test "$(wc -l </root/asked)" -gt "$asked"; do sleep 0.05; done
    done
    touch /root/enough
    wait
    if test -e /root/refused; then cat /root/refused; exit 1; fi
  `);
});

test('an upgrade keeps the configuration and the data, a removal too, and a purge only the data', { timeout: 330000 }, async (t) => {
  const output = await pass(t, `${install}
    syncline add post/7 tags kept
    sed -i 's/^# durability: full/durability: full # mine/' /etc/syncline/syncline.yaml
    printf secret >/etc/syncline/secret
    first=$(systemctl show --property MainPID --value syncline)
    dpkg --force-confold --install /srv/given/syncline.deb
    test "$(systemctl show --property MainPID --value syncline)" != "$first"
    grep -q '# mine' /etc/syncline/syncline.yaml
    test "$(syncline get post/7 tags)" = '["kept"]'

    apt-get remove -y syncline
    ! systemctl is-active syncline
    ! test -e /usr/bin/synclined
    grep -q '# mine' /etc/syncline/syncline.yaml
    apt-get install -y /srv/given/syncline.deb
    test "$(syncline get post/7 tags)" = '["kept"]'

    apt-get purge -y syncline
    ! test -e /etc/syncline/syncline.yaml
    test -s /var/lib/syncline/syncline.db
    test "$(cat /etc/syncline/secret)" = secret
    ! systemctl cat syncline
    dpkg --list syncline | grep '^ii' && exit 1
    find / -xdev -name '*syncline*' -not -path '/srv/*' -not -path '/var/lib/syncline*' -not -path '/var/cache/*' \\
      -not -path '/var/lib/systemd/*' -not -path '/proc/*'
  `);
  assert.match(output, /\/var\/lib\/syncline is left as it is/);
  const left = output.split('\n').filter((line) => line.startsWith('/'));
  assert.deepEqual(left, ['/etc/syncline'], 'what a person put there keeps the folder');
});

test('the build installs anywhere, and its unit knows where', { timeout: 60000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'syncline-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  await call('cmake', ['--install', dirname(debian), '--prefix', '/opt/syncline'], { env: { ...process.env, DESTDIR: folder } });
  const unit = readFileSync(join(folder, 'lib/systemd/system/syncline.service'), 'utf8');
  const [, program, config] = /^ExecStart=(\S+) serve --config (\S+)/m.exec(unit);
  assert.equal(program, '/opt/syncline/bin/synclined');
  const { stdout } = await call(join(folder, program), ['check', '--config', join(folder, config)]);
  assert.match(stdout, /is good/);
});
