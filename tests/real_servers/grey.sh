# A policy service that greylists everybody, as postgrey answers the first time.
while read -r line; do
    [ -z "$line" ] && printf 'action=defer_if_permit 4.2.0 Greylisted, see http://postgrey.schweikert.ch/help/example.net.html\n\n'
done
