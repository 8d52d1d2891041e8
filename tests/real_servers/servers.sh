# The first process of a process namespace: starts the servers, says so, and ends them all when its input ends.
cd "$1" || exit 1
trap '' INT TERM HUP
for server in $2; do
    case $server in
    nft) nft -f rules >out 2>&1 ;;
    postfix)
        timeout 20 postfix -c "$1/postfix" check >out 2>&1 &&
            timeout 20 "$(postconf -d -h daemon_directory)/master" -c "$1/postfix" -w >>out 2>&1
        ;;
    dovecot) timeout 20 dovecot -c "$1/dovecot/dovecot.conf" >out 2>&1 ;;
    unbound) timeout 20 unbound -c "$1/unbound/unbound.conf" >out 2>&1 ;;
    esac || { echo "$server does not start: $(tail -n 3 out | tr '\n' ' ')"; exit 1; }
done
echo ready
cat >/dev/null
kill -KILL -1
rm -rf "$1"
