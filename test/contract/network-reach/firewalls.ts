import type { Lab } from "./lab.ts";

const iptables = (lab: Lab, tool: string, ...rules: string[]): void => {
  for (const rule of rules) lab.host.run(tool, ...rule.split(" "));
};

/** What docker does where it switched forwarding on itself. */
function docker(lab: Lab): void {
  iptables(
    lab,
    "iptables-nft",
    "-P FORWARD DROP",
    "-N DOCKER-USER",
    "-A DOCKER-USER -j RETURN",
    "-A FORWARD -j DOCKER-USER",
    "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT",
    "-A FORWARD -i docker0 -o docker0 -j ACCEPT",
    "-t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
  );
}

function ufw(lab: Lab): void {
  iptables(
    lab,
    "iptables-nft",
    "-P INPUT DROP",
    "-P FORWARD DROP",
    "-N ufw-before-input",
    "-N ufw-before-forward",
    "-A INPUT -j ufw-before-input",
    "-A FORWARD -j ufw-before-forward",
    "-A ufw-before-input -i lo -j ACCEPT",
    "-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-A ufw-before-input -m conntrack --ctstate INVALID -j DROP",
    "-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
  );
}

const firewalld = `table inet firewalld {
  chain filter_INPUT { type filter hook input priority filter + 10; policy accept;
    ct state { established, related } accept
    iifname "lo" accept
    ct state invalid drop
    reject with icmpx admin-prohibited
  }
  chain filter_FORWARD { type filter hook forward priority filter + 10; policy accept;
    ct state { established, related } accept
    iifname "lo" accept
    ct state invalid drop
    reject with icmpx admin-prohibited
  }
  chain filter_OUTPUT { type filter hook output priority filter + 10; policy accept;
    oifname "lo" accept
  }
}`;

const refuseAll = `table ip mine {
  chain in { type filter hook input priority filter - 50; policy drop; iifname "lo" accept; }
  chain through { type filter hook forward priority filter + 50; policy drop; }
  chain out { type filter hook output priority filter; policy drop; oifname "lo" accept; }
}`;

/** What hosts have of their own, each of which must change nothing of who reaches whom. */
export const firewalls: Readonly<Record<string, (lab: Lab) => void>> = {
  "no other rules": () => undefined,
  "all of 10.0.0.0/8 accepted": (lab) =>
    iptables(
      lab,
      "iptables-nft",
      "-A INPUT -s 10.0.0.0/8 -j ACCEPT",
      "-A FORWARD -s 10.0.0.0/8 -j ACCEPT",
      "-A FORWARD -d 10.0.0.0/8 -j ACCEPT",
    ),
  docker,
  ufw,
  "ufw, then docker": (lab) => {
    ufw(lab);
    docker(lab);
  },
  "a refusal before docker's rules": (lab) => {
    docker(lab);
    iptables(lab, "iptables-nft", "-I FORWARD 1 ! -o docker0 -j REJECT");
  },
  firewalld: (lab) => lab.host.nft(firewalld),
  "nftables that refuse all": (lab) => lab.host.nft(refuseAll),
  "iptables that refuse all": (lab) =>
    iptables(
      lab,
      "iptables-nft",
      "-P INPUT DROP",
      "-P FORWARD DROP",
      "-P OUTPUT DROP",
      "-A INPUT -i lo -j ACCEPT",
      "-A OUTPUT -o lo -j ACCEPT",
    ),
  "iptables-legacy": (lab) =>
    iptables(
      lab,
      "iptables-legacy",
      "-P INPUT DROP",
      "-P FORWARD DROP",
      "-A INPUT -i lo -j ACCEPT",
      "-A INPUT -s 10.0.0.0/8 -p tcp --syn -j ACCEPT",
      "-A FORWARD -p tcp -j REJECT",
    ),
};
