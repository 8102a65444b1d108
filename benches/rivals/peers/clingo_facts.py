"""Writes the snapshot as facts, clingo's best input form. Not timed.

    clingo_facts.py DIR -> DIR/facts.lp
"""
import json, sys
import pyarrow as pa, pyarrow.compute as pc, pyarrow.parquet as pq

KINDS = {  # relation: (kind, columns)
    "partner": ("partners", ["tenantId"]), "mg": ("managementGroups", ["id", "parentId"]),
    "sub": ("subscriptions", ["subscriptionId", "id", "state", "agreementType", "managementGroupId", "acquiredDate", "predecessorId"]),
    "rg": ("resourceGroups", ["id", "subscriptionId"]),
    "principal": ("principals", ["id", "type", "userType", "tenantId", "homeTenantId", "accountEnabled"]),
    "member": ("groupMembers", ["groupId", "memberId"]),
    "ra": ("roleAssignments", ["id", "scope", "principalId", "roleDefinitionId"]),
    "classic": ("classicAdministrators", ["subscriptionId", "principalId"]),
    "deleg": ("delegations", ["scope", "registrationDefinitionId", "managedByTenantId"]),
    "auth": ("delegationAuthorizations", ["registrationDefinitionId", "principalId"]),
    "des": ("partnerDesignations", ["id", "subscriptionId", "partnerId", "designatedBy", "designatedDate", "state"]),
    "link": ("partnerAdminLinks", ["principalId", "partnerId", "state"]),
}


def columns(d, kind, cols):
    t = pq.read_table(f"{d}/parquet/{kind}.parquet", columns=cols)
    out = []
    for c in t.columns:
        if pa.types.is_date(c.type) or pa.types.is_boolean(c.type):
            c = c.cast(pa.int32()) if pa.types.is_date(c.type) else pc.cast(c, pa.int8())
        else:
            c = pc.fill_null(c, "")
        out.append(c)
    return pa.table(out, names=cols)


def main(d):
    m = json.load(open(f"{d}/meta.json"))
    import datetime as dt
    asof = (dt.date.fromisoformat(m["asOf"]) - dt.date(1970, 1, 1)).days
    with open(f"{d}/facts.lp", "w") as f:
        f.write(f'meta("{m["tenantId"]}",{asof},"{m["ownerRoleDefinitionId"]}").\n')
        f.write("".join(f'expected("{p}").\n' for p in m["expectedPartnerIds"]))
        for rel, (kind, cols) in KINDS.items():
            t = columns(d, kind, cols)
            data = [[str(x) if pa.types.is_integer(c.type) else f'"{x}"' for x in c.to_pylist()] for c in t.columns]
            f.writelines(f"{rel}({','.join(r)}).\n" for r in zip(*data))


if __name__ == "__main__":
    main(sys.argv[1])
